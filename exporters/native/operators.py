"""The operator set `groupnl.native`: what a graph may ask of our library, in one place. `native/src` computes it.

All tensors are float32, images are (N, C, H, W). Constants (every input but X, the gate and the residual) are
initializers: the library packs them once, but for those of Pointwise, which it reads where the runtime keeps them.
Every operator has the attribute `block`: 0 for plain tensors; 8 or 16 where its images are in ONNX Runtime's layout in
blocks, (N, ⌈C/block⌉, H, W, block) stored under the shape
(N, ⌈C/block⌉·block, H, W), with zeros in the channels that pad the last block. `activation` is a number of
`ACTIVATIONS`.

Every attribute must be there, but for `apart` (0), `epsilon` without `normalize`, and `version` (1), with which a graph
for a later operator set is refused by a library of an earlier one. Pads are at most what the filters reach over,
dilation·(k − 1). The library checks all of it and refuses a graph that lies, with a sentence.

``GroupNL(X, W, S, G) → Y[, M]``, a whole sparse layer. W (seeds, m, kh, kw): seed map i is the convolution of the
channels i·m … i·m + m − 1 of X, so X has seeds·m channels. With `normalize` the seed maps are divided by
max(their norm over channels, `epsilon`)::

    y[i]         = act(S[0, i]·s[i] + S[1, i])                                      i < seeds
    y[seeds + t] = act(G[3, t]·Ψ(G[0, t]·s[k(t)] + G[1, t]; G[2, t]) + G[4, t])     t < channels − seeds
    k(t)         = ⌊t / (γ·B)⌋·B + t mod B,  B = seeds / nl_groups, γ = ⌈channels / seeds⌉ − 1

Ψ is `function`, a number of `FUNCTIONS`; of the sine the argument is in half turns, sin(π·u), so that G[0] is ω/π.
Where channels = seeds there is no G, and nothing is generated. Attributes: channels, nl_groups, function, normalize,
epsilon, strides, pads (top, left, bottom, right), dilations, activation, block; and `apart` (0 or 1, for blocks): with
1 the channels of X stand so that the j-th inputs of a block of seed maps are a block of their own, block i·m + j of X,
for all whole blocks of seed maps; the rest as without. M (N, channels, 1, 1) is the mean of Y over its pixels, in Y's
layout.

``Generate(X, S, G) → Y[, M]``: the same behind a seed convolution that the runtime computes: X are the seed maps.
Attributes: as of GroupNL, without strides, pads, dilations and apart.

``Depthwise(X, W, B) → Y[, M]``: W (C, 1, kh, kw), B (C); attributes strides, pads, dilations, activation, block.

``Scale(X, g) → Y``: X (N, C, H, W) times g (N, C, 1, 1), both in the layout of `block`; attributes activation (in
blocks no sigmoid and no hardsigmoid, for the padding is to stay zero), block.

``Pointwise(X, W, B[, R]) → Y``: act(W·X + B + R), W (out, in), at every pixel; R like Y. Plain alone. Attributes:
activation, block (0). With one pixel it is a product of matrix and vector.
"""

DOMAIN = "groupnl.native"
VERSION = 1

RUNTIME_DOMAIN = "com.microsoft.nchwc"
"""Of ONNX Runtime's own operators on images in blocks."""

GROUPNL, GENERATE, DEPTHWISE, SCALE, POINTWISE = "GroupNL", "Generate", "Depthwise", "Scale", "Pointwise"

ACTIVATIONS = {"none": 0, "relu": 1, "relu6": 2, "hardswish": 3, "silu": 4, "hardsigmoid": 5, "sigmoid": 6}
"""`hardswish` is x·clip(x/6 + 1/2, 0, 1), `hardsigmoid` clip(x/6 + 1/2, 0, 1)."""

FUNCTIONS = {
    "sine": 0,  # sin(π·u)
    "monomial": 1,  # sign(u)·|u|^e, e = G[2]
    "gaussian": 2,  # exp(−u²)
    "laplace": 3,  # exp(−|u|)
    "exponential": 4,  # exp(−u)
}
