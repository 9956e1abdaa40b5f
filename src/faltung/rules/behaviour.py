"""What an operator does with what it reads: the same at every place, or not. Nothing is granted that is not listed.

A relation says what is read and not what is computed: `tril` and `relu` may read the same. An operator is listed
here if, along every axis that its rule follows, the function is the same from period to period, constants aside
(those have numbers that can be looked at).
"""

from typing import Any

from faltung.rules.lookup import overloads
from faltung.rules.pointwise import pointwise
from faltung.rules.spectra import TRANSFORMS
from faltung.rules.table import RULES, SAME_EVERYWHERE, Call, Tensor, axis
from faltung.rules.text import OPERATORS


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


KERNELS = frozenset(f"conv{kind}{axes}d" for kind in ("", "_transpose") for axes in (1, 2, 3))
"""Weighs what it reads by an argument `weight` whose last axes lie along the spatial ones."""

CENTRED = frozenset(
    [*(f"upsample_{kind}" for kind in ("linear1d", "bilinear2d", "trilinear3d", "bicubic2d"))]
    + [f"_upsample_{kind}2d_aa" for kind in ("bilinear", "bicubic")]
)
"""Interpolation: output o of m lies as far from the first pixel as output m-1-o from the last."""

SYMMETRIC = _names(
    """
    all amax amin any count_nonzero linalg_vector_norm logsumexp max mean median min nanmean nanmedian nansum norm prod
    special_logsumexp std std_mean sum var var_mean aminmax
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d
    adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
    """
)
"""What they make of an axis that is read whole does not depend on the order of its places; indices do."""

NORMALISERS = _names(
    """
    batch_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_functional instance_norm group_norm
    native_group_norm layer_norm native_layer_norm rms_norm _fused_rms_norm
    softmax _softmax _safe_softmax special_softmax log_softmax _log_softmax special_log_softmax
    """
)
"""Every output is its own place, measured by all of the axis, whatever the order of the places."""

WITH_INDICES = frozenset(
    name for axes in (1, 2, 3) for name in (f"adaptive_max_pool{axes}d", f"max_pool{axes}d_with_indices")
)
"""Their second output tells places of the whole map."""

JOINING = _names("cat concat concatenate stack hstack vstack row_stack dstack column_stack")

SAME = (
    KERNELS
    | CENTRED
    | SYMMETRIC
    | NORMALISERS
    | JOINING
    | _names(
        """
        max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d
        max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices
        upsample_nearest1d upsample_nearest2d upsample_nearest3d
        _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d
        pad constant_pad_nd _pad_circular reflection_pad1d reflection_pad2d reflection_pad3d
        replication_pad1d replication_pad2d replication_pad3d
        view reshape _unsafe_view _reshape_alias view_copy flatten ravel unflatten squeeze squeeze_copy unsqueeze
        unsqueeze_copy view_as reshape_as atleast_1d atleast_2d atleast_3d
        permute permute_copy transpose swapaxes swapdims t numpy_T mT mH matrix_H adjoint movedim moveaxis
        expand expand_copy expand_as broadcast_to broadcast_tensors
        slice slice_copy narrow narrow_copy select select_copy unbind unbind_copy flip fliplr flipud roll rot90
        repeat tile repeat_interleave index_select
        split unsafe_split split_with_sizes unsafe_split_with_sizes split_copy split_with_sizes_copy chunk unsafe_chunk
        tensor_split hsplit vsplit dsplit
        unfold unfold_copy im2col col2im pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle
        argmax argmin kthvalue mode quantile nanquantile argsort sort topk
        cummax cummin cumprod cumsum logcumsumexp
        _native_batch_norm_legit_no_training
        mm bmm mv dot vdot outer ger cdist _cdist_forward addmm addmv addr addbmm baddbmm matmul linalg_matmul linear
        bilinear einsum chain_matmul linalg_multi_dot tensordot inner cosine_similarity linalg_vecdot pairwise_distance
        scaled_dot_product_attention embedding gather glu copy prelu view_as_real view_as_complex
        mul multiply addcmul where masked_fill transpose_copy t_copy diff gradient stft cross linalg_cross msort
        frobenius_norm nuclear_norm linalg_norm linalg_matrix_norm
        lstm gru rnn_tanh rnn_relu _fft_r2c _fft_c2c _fft_c2r
        """
    )
    | frozenset(f"fft_{name}{axes}" for name in TRANSFORMS for axes in ("", "2", "n"))
)
"""The same at every place of the axes that are followed, from period to period."""


def is_same_everywhere(call: Call) -> bool:
    """Say whether an operator does the same at every place of the axes that its rule follows."""
    if call.output and call.operator in WITH_INDICES:
        return False
    return call.operator in SAME or call.operator in SAME_EVERYWHERE or _is_pointwise(call.operator)


def _is_pointwise(operator: str) -> bool:
    if operator in RULES:
        return RULES[operator] is pointwise
    import torch

    return any(torch.Tag.pointwise in overload.tags for overload in overloads(operator))


def is_symmetric(call: Call) -> bool:
    """Say whether the order of the places does not matter along an axis that is read whole, and that is gone."""
    return call.operator in SYMMETRIC and (call.output == 0 or call.operator in ("aminmax", "std_mean", "var_mean"))


def is_normaliser(call: Call) -> bool:
    """Say whether an output is the place of its own, measured by all of the axis."""
    return call.operator in NORMALISERS and call.output == 0


def draws(call: Call) -> bool:
    """Say whether random numbers are drawn: dropout in training, noise."""
    import torch

    if not any(torch.Tag.nondeterministic_seeded in overload.tags for overload in overloads(call.operator)):
        return False
    given = call.arguments
    training = given.get("train", given.get("training", True))
    share: Any = next((given[name] for name in ("p", "dropout_p", "dropout") if name in given), 1.0)
    return training is not False and not (isinstance(share, int | float) and share == 0)


def kernel(call: Call) -> tuple[Tensor, int] | None:
    """Return the weights of a convolution and how many of their last axes lie along spatial ones; else None."""
    if call.operator not in KERNELS:
        return None
    weight = call.arguments["weight"]
    return weight, len(weight.shape) - 2


def is_centred(call: Call) -> bool:
    """Say whether outputs lie symmetrically over the pixels by definition, whatever is read with weight 0."""
    return call.operator in CENTRED


def joined_axis(call: Call) -> int | None:
    """Return the axis of the output along which tensors are put one behind the other; None if there is none."""
    if call.operator not in JOINING:
        return None
    rank = len(call.shape)
    fixed = {"hstack": 1 if rank > 1 else 0, "vstack": 0, "row_stack": 0, "dstack": 2, "column_stack": 1}
    return fixed[call.operator] if call.operator in fixed else axis(call.arguments["dim"], rank)


def what_is_whole(call: Call) -> str:
    """Return in words how an operator reads an axis whole; `{}` stands for the axis."""
    if call.operator in NORMALISERS and "softmax" not in call.operator:
        if call.arguments.get("training") is True:
            return "takes batch statistics over all of {} in training mode"
        return "takes statistics over all of {}"
    if call.operator in NORMALISERS:
        return "is a softmax over all of {}"
    if call.operator == "scaled_dot_product_attention":
        return "attends to all of {}"
    if call.operator in SYMMETRIC:
        return "pools over all of {}"
    weight = call.arguments.get("weight")
    if isinstance(weight, Tensor) and not weight.source:
        return "has a weight of its own for each place of {}"
    return "reads all of {}"


TEXT_KERNELS = ("conv", "tconv")
"""Operators of the text form that have weights."""


def is_text_operator(operator: str) -> bool:
    """Say whether a layer is one of the text form, all of which slide a window: the same at every place."""
    return operator.split(" ")[0] in OPERATORS


def has_text_kernel(operator: str) -> bool:
    """Say whether a layer of the text form has weights."""
    return operator.split(" ")[0] in TEXT_KERNELS
