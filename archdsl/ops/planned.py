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
    "interpolate": "resize", "kernel": "size", "filters": "width", "channels": "width", "kernel_size": "size",
    "padding": "pad", "strides": "stride", "epsilon": "eps", "p": "p",
}  # fmt: skip
