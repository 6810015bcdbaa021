"""What is known to go wrong, as data.

Key insight: a rule has two halves. What happens inside the delegate is replayed by `repro.delegate.replay`,
which names the rule; what that means for the one who ships the model (is it silent, what to do,
which finding documents it) is the table here. A rule is a hazard only if a delegate has shown it:
`repro.selftest.lint_truth` draws graphs around every rule and holds the prediction against the delegate.
"""

from __future__ import annotations

from repro.hazards.hazard import Level, Rule

LITERT_8599 = "https://github.com/google-ai-edge/LiteRT/issues/8599"
EXTRA_OP = "emit '{tensor}' through an extra op (for example a MUL by 1)"
BLOCK = "keep {producer} and {consumer} apart with an identity TRANSPOSE"

RULES = {
    rule.id: rule
    for rule in (
        Rule(
            "add-reduce",
            "ADD of two tensors of equal shape -> SUM/MEAN/MAX/MIN/PROD (or a global average pool)",
            "output '{tensor}' is swallowed by the kernel that adds and reduces: it returns stale memory",
            EXTRA_OP,
            upstream=LITERT_8599,
            workaround="emit",
            finding="add-output-feeds-reduction",
        ),
        Rule(
            "add-reduce-extremum",
            "ADD of two tensors of equal shape -> REDUCE_MAX or REDUCE_MIN",
            "'{tensor}' is wrong where the true value is below (MAX) or above (MIN) zero: the kernel that adds and "
            "reduces starts from zero",
            BLOCK,
            workaround="block-edge",
            latent=True,
            finding="add-before-max",
        ),
        Rule(
            "gemm-elementwise",
            "CONV/DEPTHWISE/TRANSPOSE_CONV/FULLY_CONNECTED -> ADD or MUL by a scalar or per-channel constant",
            "output '{tensor}' is folded into the weights with the {consumer} behind it and never written",
            EXTRA_OP,
            upstream=LITERT_8599,
            workaround="emit",
            finding="conv-output-feeds-constant",
        ),
        Rule(
            "elementwise-gemm",
            "MUL by constant -> CONV/DEPTHWISE/TRANSPOSE_CONV/FULLY_CONNECTED, or ADD of constant -> unpadded CONV",
            "output '{tensor}' is folded into the weights of the {consumer} behind it and never written",
            EXTRA_OP,
            upstream=LITERT_8599,
            workaround="emit",
            finding="scaled-output-feeds-conv",
        ),
        Rule(
            "pad-merged",
            "PAD of height and width -> CONV/DEPTHWISE/POOL, or PAD of channels -> ADD",
            "output '{tensor}' is merged into the padding of the {consumer} behind it and never written",
            EXTRA_OP,
            workaround="emit",
            finding="pad-output-feeds-conv",
        ),
        Rule(
            "pad-add-broadcast",
            "PAD of channels -> ADD with a tensor that broadcasts",
            "'{tensor}' is wrong: the PAD is dropped in front of an ADD whose other tensor broadcasts",
            BLOCK,
            workaround="block-edge",
            finding="pad-before-broadcast-add",
        ),
        Rule(
            "noop-removed",
            "any op -> one-input CONCAT, RESIZE to the same size, or a SLICE of everything that is an output",
            "output '{tensor}' is deleted together with the {consumer} behind it, which changes nothing",
            BLOCK,
            workaround="block-edge",
            finding="no-op-behind-output",
        ),
        Rule(
            "source-renamed",
            "SPLIT whose parts are all put together again, with a source that is used elsewhere",
            "'{tensor}' is wrong: the source of the {producer} is renamed to its result, and nobody writes the source",
            "remove the {producer}, which does nothing, or put an identity TRANSPOSE behind its first part",
            workaround="block-split",
            finding="split-put-together",
        ),
        Rule(
            "concat-of-one",
            "one-input CONCAT (of batch 1) of a graph input, or of a tensor that other ops read too",
            "every output is wrong: the kernel of the one-input {producer} does not compile, and is left out",
            "remove the {producer}, which does nothing, or put an identity TRANSPOSE in front of it",
            workaround="block-source",
            finding="concat-of-one",
        ),
        Rule(
            "mean-stddev-norm",
            "MEAN -> SUB -> SQUARE -> MEAN -> ADD eps -> RSQRT -> MUL over channels",
            "output '{tensor}' is an inner step of a normalisation that becomes one kernel: it returns stale memory",
            EXTRA_OP,
            workaround="emit",
            finding="layernorm-inner-output",
        ),
        Rule(
            "mish",
            "EXP -> ADD 1 -> LOG -> TANH -> MUL",
            "output '{tensor}' is an inner step of a Mish that becomes one kernel: it returns stale memory",
            EXTRA_OP,
            workaround="emit",
            finding="mish-inner-output",
        ),
        Rule(
            "slice-mul-reduce-concat",
            "SLICE -> MUL -> MEAN/SUM over channels -> CONCAT over channels",
            "'{tensor}' is inside or behind a correlation that becomes one kernel, which assumes that all branches "
            "slice one tensor, start at channel 0 and multiply by one other",
            BLOCK,
            workaround="block-concat",
            finding="correlation-concat",
        ),
        Rule(
            "split-merged",
            "SPLIT -> CONCAT or ADD that reads nothing but the SPLIT's parts",
            "'{tensor}' is wrong: the {consumer} is removed as if it had one input, so the parts are not put together "
            "and those left over change places",
            "take the parts with SLICE, or put an identity TRANSPOSE behind the first part",
            workaround="block-split",
            finding="split-halves-added",
        ),
        Rule(
            "split-linked",
            "SPLIT whose first part (perhaps through elementwise ops) meets another part in one elementwise op",
            "every output is wrong: {consumer} is linked into the kernel of the {producer} whose other part it reads, "
            "and that kernel is rejected",
            "swap the operands of the {consumer}, or put an identity TRANSPOSE behind the first part",
            workaround="block-split",
            finding="split-halves-meet",
        ),
        Rule(
            "constant-axis",
            "elementwise op of a tensor and a constant whose ranks, read as BHWC, put one axis in two places: [N,C] "
            "with [N,C] or [1,N,C], [B,N,C] with [B,N,C] and B above 1, or a constant with a batch of its own",
            "'{tensor}' is wrong: the delegate lines the constant up with another axis and uses one row of it, or "
            "of the tensor, for all",
            "give both operands rank 4, aligned to the right",
            workaround="align-ranks",
            finding="dfine-naive-enc-coord",
        ),
        Rule(
            "constant-broadcast-gemm",
            "CONV/FULLY_CONNECTED next to ADD or MUL by a per-channel constant of another channel count",
            "'{tensor}' is wrong: {producer} and {consumer} are folded although the constant broadcasts the channels",
            BLOCK,
            workaround="block-edge",
            finding="constant-broadcasts-channels",
        ),
        Rule(
            "pad-pool",
            "PAD of height and width with zeros -> AVERAGE_POOL or MAX_POOL",
            "'{tensor}' is wrong at its border: the pooling ignores padding, the PAD's zeros should count",
            BLOCK,
            workaround="block-edge",
            latent=True,
            finding="pad-before-pooling",
        ),
        Rule(
            "pad-value-gemm",
            "PADV2 of height and width with a value that is not zero -> CONV or DEPTHWISE",
            "'{tensor}' is wrong at its border: the padding value is lost when the PAD is merged",
            BLOCK,
            workaround="block-edge",
            finding="pad-value-lost",
        ),
        Rule(
            "grouped-mul",
            "MUL by a per-channel constant -> grouped CONV",
            "'{tensor}' is wrong: every group is scaled with the first group's constants",
            "fold the constant into the convolution's weights, or put an identity TRANSPOSE between",
            workaround="block-edge",
            finding="grouped-conv-scaled",
        ),
        Rule(
            "norm-other-input",
            "the normalisation pattern whose MEAN and SUB read different tensors of one producer (or two inputs)",
            "'{tensor}' is wrong: the kernel normalises the tensor whose mean was taken, not the one it is taken from",
            "put an identity TRANSPOSE in front of the MEAN",
            workaround="block-input",
            finding="norm-of-other-input",
        ),
        Rule(
            "depthwise-multiplier",
            "DEPTHWISE with a 1x1 kernel, several input channels and a depth multiplier above 1",
            "'{tensor}' is wrong: the weights of a 1x1 {producer} are taken in the file's order and not transposed",
            "make the kernel 1x2 with a column of zeros",
            workaround="wider-kernel",
            finding="depthwise-1x1-multiplier",
        ),
        Rule(
            "padding-lanes",
            "DIV (not by a scalar), LOG or RSQRT of a channel count that is no multiple of 4 -> SUM, MEAN, PROD, CONV, "
            "FC or BATCH_MATMUL over the channels, also through ops that keep the channels where they are",
            "'{tensor}' is NaN or infinite: {producer} leaves that in the unused lanes of its last channels, and the "
            "{consumer} sums over them",
            "make the channel count a multiple of 4, or clear the lanes with a TILE by ones in front of the {consumer}",
            # Not on every driver: SwiftShader's log(0) is finite.
            where="where a division by zero is NaN or infinite; of LOG, not on SwiftShader",
            workaround="clear-lanes",
            finding="padding-channels-read",
        ),
        Rule(
            "fc-rank-1",
            "FULLY_CONNECTED of a depth above 1 on a tensor of rank 1",
            "'{tensor}' is wrong: {producer} takes the length of its rank-1 input for the batch",
            "RESHAPE the input to [1, C]",
            workaround="two-dimensions",
            finding="rank-1-fully-connected",
        ),
        Rule(
            "softmax-rank-1",
            "SOFTMAX of a tensor of rank 1",
            "'{tensor}' is wrong: {producer} runs over the one channel of each element, so that all of it is 1",
            "RESHAPE to [1, C] and back",
            workaround="row-softmax",
            finding="rank-1-softmax",
        ),
        Rule(
            "cumsum-batch",
            "CUMSUM over the first dimension of a tensor of rank 1 to 3, or (rank 2, 3) over the last written as -1",
            "'{tensor}' is wrong: {producer} sums over another axis, since its axis is counted from the right of BHWC",
            "RESHAPE to rank 4 with that axis in the second place, and back",
            workaround="cumsum-height",
            finding="cumsum-batch",
        ),
        Rule(
            "cumsum-no-batch",
            "CUMSUM whose axis is read as the batch, where that is 1: axis 0 at rank 4, -1 at rank 3, -2 at rank 2",
            "every output is wrong: the kernel of the {producer} does not compile, and is left out",
            "RESHAPE to rank 4 with that axis in the second place, and back",
            workaround="cumsum-height",
            finding="cumsum-batch",
        ),
        Rule(
            "batched-blocks",
            "DEPTH_TO_SPACE or SPACE_TO_DEPTH of a batch above 1",
            "every output is wrong: the kernel of the {producer} does not compile, and is left out",
            "RESHAPE the images to one, below each other, and back",
            workaround="stacked-images",
            finding="batched-depth-to-space",
        ),
        Rule(
            "cumsum-axis-aborts",
            "CUMSUM over a negative axis of a tensor of rank 4, or over -2 or -3 at rank 3",
            "compiling this model ends the process (SIGILL): the axis of {producer} is looked up in front of a table",
            "write the axis as a positive number",
            workaround="cumsum-height",
            finding="cumsum-batch",
        ),
        Rule(
            "cumsum-options",
            "CUMSUM that is exclusive or reverse",
            "'{tensor}' is wrong: {producer} is computed as if it were neither exclusive nor reverse",
            "subtract the input from the sums (exclusive), or the sums from their total, and add the input (reverse)",
            finding="cumsum-options",
        ),
        Rule(
            "arg-max-lanes",
            "ARG_MAX over channels that are no multiple of 4, of values that may all be negative",
            "'{tensor}' may hold an index that does not exist: {producer} also compares the unused lanes of the last "
            "channels, mostly zeros, which win where all values are negative",
            "RESHAPE so that the channels are another dimension, or make their number a multiple of 4",
            workaround="arg-max-width",
            finding="arg-max-padding",
            upstream="tensorflow#48671",
            latent=True,
        ),
        Rule(
            "batch-matmul-broadcast",
            "BATCH_MATMUL that broadcasts a batch, but for aligned matrices of batch 1 under adj_y",
            "'{tensor}' is wrong: {producer} does not repeat the batch of one operand for the other's",
            "repeat the operand along its batch, or put the rows of all batches into one",
            workaround="repeat-batch",
            finding="batch-matmul-broadcast",
        ),
        Rule(
            "fc-flattens",
            "FULLY_CONNECTED whose input's last dimension is not the weights' depth, so that TFLite flattens the input",
            "'{tensor}' is wrong: {producer} reads only the last dimension of its input, which it should flatten",
            "RESHAPE the input to [batch, depth]",
            workaround="two-dimensions",
            finding="fc-flattens-input",
        ),
        Rule(
            "fc-runtime-weights",
            "FULLY_CONNECTED whose weights are computed or an input, and which has a bias",
            "'{tensor}' is wrong: {producer} leaves out its bias, since its weights are no constant",
            "put the bias into an ADD behind it",
            workaround="bias-behind",
            finding="fc-runtime-weights-bias",
        ),
        Rule(
            "pad-rank-3",
            "PAD, PADV2 or MIRROR_PAD of a rank-3 tensor whose first dimension is above 1, or which pads that",
            "'{tensor}' is wrong: {producer} reads the three rows of its paddings as height, width and channels",
            "pad it as [1, B, N, C], with a RESHAPE on both sides",
            workaround="pad-rank-4",
            finding="pad-rank-3",
        ),
        Rule(
            "pad-batch",
            "PAD or PADV2 of a rank-4 tensor of batch 1 that pads the batch",
            "'{tensor}' is wrong: {producer} does not make the new batches",
            "pad along another axis, or RESHAPE so that the batch is the height",
            workaround="pad-batch-as-height",
            finding="pad-batch",
        ),
        Rule(
            "split-sliced",
            "SPLIT (or UNPACK) -> SLICE of everything that is an output, of any part but the last",
            "'{tensor}' holds another part: the {consumer} is removed, its output put behind those of the {producer}",
            "emit the part itself, or keep {producer} and {consumer} apart with an identity TRANSPOSE",
            workaround="block-edge",
            finding="slice-of-split-part",
        ),
        Rule(
            "grouped-conv",
            "CONV_2D in groups of at most 4 input channels, where those or a group's outputs are no multiple of 4",
            "every output is wrong: the delegate takes {producer} apart into one convolution per group, whose weights "
            "it makes no room for, and what holds them is rejected",
            "write it as a CONV_2D with block-diagonal weights",
            workaround="dense-weights",
            finding="grouped-conv-split",
        ),
        Rule(
            "grouped-conv-aborts",
            "CONV_2D in groups of more than 4 input channels, where those or a group's outputs are no multiple of 4",
            "compiling this model ends the process (SIGILL): the delegate takes {producer} apart into one "
            "convolution per group",
            "write it as a CONV_2D with block-diagonal weights",
            workaround="dense-weights",
            finding="grouped-conv-aborts",
        ),
        Rule(
            "grouped-conv-powervr",
            "CONV_2D in groups of at most 4 input channels, where those or a group's outputs are no multiple of 4, on "
            "a PowerVR in fp16",
            "compiling this model ends the process (SIGFPE): the convolutions that the delegate takes the {producer} "
            "apart into have no input slices, and their number is divided by (measured under a PowerVR's name)",
            "write it as a CONV_2D with block-diagonal weights",
            where="in fp16, on adapters named PowerVR, but for the D series",
            level=Level.RISKY,
        ),
        Rule(
            "same-operand-aborts",
            "BATCH_MATMUL (of batch 1), SELECT, FULLY_CONNECTED, CONV_2D or PACK that reads one tensor as two operands",
            "compiling this model ends the process (a failed check): {producer} reads one tensor twice",
            "give one operand a tensor of its own through an identity TRANSPOSE",
            workaround="own-operand",
            finding="same-operand-aborts",
        ),
        Rule(
            "output-consumed",
            "a graph output that another op reads",
            "output '{tensor}' is also read by {consumer}: safe in every runtime measured here, but outputs in this "
            "role have been lost, and phones may fuse more than the host",
            f"{EXTRA_OP} if you can afford one",
            level=Level.RISKY,
        ),
        Rule(
            "mali-thin-pointwise",
            "1x1 CONV of up to 32 channels (through elementwise ops, residuals) -> 1x1 CONV of up to 4 channels, "
            "or with a large result",
            "on a Mali in fp16, output '{tensor}' is swallowed by the kernel of the convolution behind it, never "
            "written (measured on a software driver under a Mali's name, never on a Mali)",
            EXTRA_OP,
            where="in fp16, on adapters named Mali (Mali-G57 and newer; not Midgard or Bifrost)",
            finding="mali-thin-pointwise",
            level=Level.RISKY,
        ),
        Rule(
            "thin-convolution-chain",
            "CONV of up to 32 channels (through elementwise ops, residuals) -> 1x1 CONV of up to 32, of little weights",
            "on some vendors' adapters output '{tensor}' is swallowed by the kernel of the convolution behind it, "
            "never written (measured on software drivers under these names, never on the GPUs)",
            EXTRA_OP,
            where="on adapters named NVIDIA, Apple, Intel or PowerVR C-Series, over OpenCL also Adreno",
            level=Level.RISKY,
        ),
        Rule(
            "depthwise-feeds-thin",
            "DEPTHWISE of up to 32 channels (through elementwise ops) -> 1x1 CONV of up to 32, of little weights",
            "on some vendors' adapters output '{tensor}' is swallowed by the kernel of the convolution behind it, "
            "never written (measured on software drivers under these names, never on the GPUs)",
            EXTRA_OP,
            where="on adapters named Adreno, Xclipse, Radeon, NVIDIA, Apple, Intel or PowerVR C-Series",
            level=Level.RISKY,
        ),
        Rule(
            "fast-math-division",
            "CONV, FULLY_CONNECTED or BATCH_MATMUL -> (elementwise ops ->) LOGISTIC, or DIV by a tensor, in one kernel",
            "'{tensor}' is a division in the kernel of {producer}, which is built with fast math on some phones: "
            "{detail}, it may be NaN, or any number behind it (measured on PoCL under a Mali's name, never on a Mali)",
            "for fp32 alone a MAXIMUM with -80 in front of the LOGISTIC is enough and stays in the kernel; for both "
            "precisions keep {producer} apart from what is behind it with an identity TRANSPOSE, one kernel more",
            where="over OpenCL, on devices named Mali (some kernels on Adreno, PowerVR and Maleoon, too)",
            workaround="block-kernel",
            latent=True,
            finding="fast-math-division",
            level=Level.RISKY,
        ),
        Rule(
            "op-refused",
            "an op or rank that the delegate does not take",
            "{producer} makes '{tensor}': {detail}; compiled for GPU only, the model is refused",
            "replace the op, or let it run on the cpu on purpose",
            level=Level.RISKY,
        ),
        Rule(
            "composite-aborts",
            "a composite whose name the delegate knows (odml.rms_norm, odml.group_norm, attention, ...)",
            "compiling this model ends the process (SIGSEGV, LiteRT 2.3.0): the delegate means to compute the "
            "composite {detail} that makes '{tensor}' by its name",
            "export it without composites: the plain ops of its body compute the same",
            level=Level.RISKY,
        ),
        Rule(
            "graph-refused",
            "a SPLIT of a graph input whose parts are all put together again, or a no-op SLICE next to its own input",
            "the delegate fails to compile this graph: its own rewrite of {producer} -> {consumer} breaks it",
            "remove the ops that do nothing",
            level=Level.RISKY,
        ),
        Rule(
            "fp16-range",
            "a constant outside fp16's range",
            "constant '{tensor}': {detail}; with fp16 arithmetic it becomes infinite or zero",
            "rescale the constant, clamp it on the host, or run this model in fp32",
            level=Level.RISKY,
        ),
        Rule(
            "fp16-long-sum",
            "a SUM or CUMSUM over 8,192 elements or more",
            "{producer} makes '{tensor}': {detail}; with fp16 arithmetic it is infinite then",
            "take the MEAN and fold the count into what follows; `repro range` says whether your inputs get there",
            level=Level.RISKY,
        ),
        Rule(
            "fp16-overflow",
            "a tensor that passes fp16's range with these inputs (`repro range`)",
            "{producer} makes '{tensor}': {detail}",
            "compute it scaled down by a power of two",
            level=Level.RISKY,
        ),
    )
}
