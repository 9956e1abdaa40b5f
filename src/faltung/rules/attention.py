"""Attention: a query reads keys and values, all of them or those that a mask leaves."""

from faltung.listed import Listed
from faltung.reads import Reads
from faltung.relation import Along, AxisWise, Relation
from faltung.rules.products import Source, contraction
from faltung.rules.reductions import up_to
from faltung.rules.table import Call, Reading, Readings, Tensor, rule
from faltung.rules.weights import numbers_of


@rule("scaled_dot_product_attention")
def attention(call: Call) -> Readings:
    """A query reads all keys and values, or those up to its own place (is_causal); heads and batch in step.

    With enable_gqa several heads of the query share one of the keys (torch.nn.functional). A constant mask
    that is the same for all heads counts if exact weights are asked for.
    """
    call.skip("dropout_p", "scale", "attn_mask")
    query, key, value, *masks = call.tensors()
    read: dict[str, Source] = {}
    place = len(call.shape) - 2
    queries, keys = query[1].shape[-2], key[1].shape[-2]
    if call["is_causal"]:
        read["s"] = Along(place, up_to(queries))
    elif masks and call.exact_weights:
        seen = _seen(masks[0][1], queries, keys)
        if seen:
            read["s"] = Along(place, seen)
    found = contraction("...le,...se,...sv->...lv", [query, key, value], call.shape, read)
    if call["enable_gqa"]:
        for name, tensor in (key, value):
            found[name] = _shared_heads(found[name], query[1].shape[-3] // tensor.shape[-3], len(call.shape) - 3)
    for name, tensor in masks:
        rank = len(tensor.shape)
        found |= contraction(f"{'...ls' if rank > 1 else 's' * rank}->...lv", [(name, tensor)], call.shape)
    return found


def _shared_heads(relation: Reading, sharing: int, heads: int) -> Relation:
    """Return the relation with `sharing` heads of the output for each one that is read."""
    assert isinstance(relation, AxisWise)
    sources = list(relation.sources)
    sources[-3] = Along(heads, Reads(1, [[0]] * sharing))
    return AxisWise(tuple(sources))


def _seen(mask: Tensor, queries: int, keys: int) -> Listed | None:
    """Return which keys each query may see under any head's mask; None where the mask comes from the input."""
    if mask.source:
        return None
    numbers = numbers_of(mask)
    allowed = numbers if numbers.dtype.is_floating_point is False else numbers != -float("inf")
    rows = allowed.expand(*mask.shape[:-2], queries, keys).reshape(-1, queries, keys).any(0).tolist()
    return Listed.of([place for place, seen in enumerate(row) if seen] for row in rows)
