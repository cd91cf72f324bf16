"""Words of the language whose operators the design keeps for later, and what other tools call the words that are."""

PLANNED = frozenset({"mixture"})

SYNONYMS = {
    "batchnorm": "bn", "batch_norm": "bn", "batchnorm2d": "bn", "norm": "bn", "layernorm": "ln", "layer_norm": "ln",
    "groupnorm": "gn", "conv2d": "conv", "convolution": "conv", "conv1d": "conv", "conv3d": "conv",
    "dwconv": "depthwise", "deconv": "upconv", "convtranspose2d": "upconv", "fc": "linear", "dense": "linear",
    "fully_connected": "linear", "max_pool": "maxpool", "maxpool2d": "maxpool", "maxpooling": "maxpool",
    "avg_pool": "avgpool", "avgpool2d": "avgpool", "averagepool": "avgpool", "swish": "silu", "hswish": "hardswish",
    "hsigmoid": "hardsigmoid", "lrelu": "leakyrelu", "leaky_relu": "leakyrelu", "local_response_norm": "lrn",
    "drop": "dropout", "skip": "identity", "wire": "identity", "noop": "identity", "reshape_flat": "flatten",
    "instance_norm": "instancenorm", "instancenorm2d": "instancenorm", "rms_norm": "rmsnorm", "drop_path": "droppath",
    "stochastic_depth": "droppath", "stochasticdepth": "droppath", "pixel_shuffle": "pixelshuffle",
    "depth_to_space": "pixelshuffle", "channel_shuffle": "shuffle", "channelshuffle": "shuffle", "view": "reshape",
    "unflatten": "reshape", "zeropad": "pad", "zeropad2d": "pad", "zero_pad": "pad", "upsampling": "upsample",
    "upsampling2d": "upsample", "patchify": "patches", "patch_merging": "patches", "mhsa": "attention",
    "interpolate": "resize", "globalavgpool": "avgpool global", "gap": "avgpool global", "globalaveragepooling": "avgpool global",
    "globalpool": "avgpool global", "globalmaxpool": "maxpool global", "gmp": "maxpool global", "adaptiveavgpool": "avgpool to",
    "adaptivemaxpool": "maxpool to", "averagepooling": "avgpool", "globalmaxpooling": "maxpool global",
    "separableconv": "sepconv", "depthwiseconv": "depthwise", "convtranspose": "upconv", "transposedconv": "upconv",
    "embed": "embedding",
}  # fmt: skip

ARGUMENT_SYNONYMS: dict[str, tuple[str, ...]] = {
    "filters": ("width",), "channels": ("width",), "out_channels": ("width",), "out_features": ("width",),
    "out": ("width",), "units": ("width",), "neurons": ("width",), "hidden": ("width",), "hidden_size": ("width",),
    "features": ("width",), "num_features": ("width",), "embedding_dim": ("width",), "dim": ("width",), "dims": ("width",),
    "kernel": ("size",), "kernel_size": ("size",), "window": ("size",), "pool_size": ("size",), "patch_size": ("size",),
    "padding": ("pad",), "strides": ("stride",), "step": ("stride",), "group": ("groups",), "num_groups": ("groups",),
    "dilations": ("dilation",), "dilation_rate": ("dilation",), "atrous": ("dilation",), "epsilon": ("eps",),
    "num_heads": ("heads",), "head": ("heads",), "rate": ("p",), "prob": ("p",), "probability": ("p",), "alpha": ("slope",),
    "negative_slope": ("slope",), "ceil_mode": ("ceil",), "bidirectional": ("both",), "axis": ("along",), "dim_size": ("size",),
    "output_size": ("to",), "scale_factor": ("factor",), "num_embeddings": ("count",), "vocab_size": ("count",),
    "use_bias": ("bias",), "attn_mask": ("mask",), "is_causal": ("causal",),
}  # fmt: skip
"""What other libraries call arguments, and the names they have here."""

_INFERRED = "it is never written: it follows from what comes in"
FOLLOWING: dict[str, str] = dict.fromkeys(
    ("in_channels", "in_features", "input_size", "in_dim", "input_shape", "input_dim"), _INFERRED
)
"""Arguments of other libraries that have no name here, and why."""


def synonym_of(word: str) -> str | None:
    """What a layer is called here that has this name in another library.

    >>> synonym_of("Conv2d"), synonym_of("GlobalAveragePooling2D"), synonym_of("batch_norm")
    ('conv', 'avgpool global', 'bn')
    """
    lowered = word.lower()
    plain = lowered.replace("_", "")
    bare = plain.removesuffix("layer")[:-2] if plain.removesuffix("layer")[-2:] in ("1d", "2d", "3d") else plain
    return next((SYNONYMS[w] for w in (lowered, plain, bare, bare.removesuffix("layer")) if w in SYNONYMS), None)
