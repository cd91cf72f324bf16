"""Random networks held against torch.

A *plan* is plain data (dicts, lists, numbers, words) that says what a network is. `generate` makes random ones; `write`
turns one into a spec text; `reference` turns the same plan into an nn.Module of torch's own layers; `compare` gives the
text to archdsl and holds all that it says against the module; `symbolic` leaves sizes of the inputs open and holds the
formulas against the module at two choices of them; `variants` gives the parameters from outside. Nothing here but these and
`coverage` imports archdsl: every shape comes from torch.
"""
