"""The files of the input for a run, or for one shard of it."""

from __future__ import annotations

from collections.abc import Iterator

from tendies_ops.inference.ledger.outcomes import Found
from tendies_ops.inference.listing.listing import spread_sample
from tendies_ops.inference.listing.other_files import has_other_extension
from tendies_ops.inference.listing.patterns import PathFilter
from tendies_ops.inference.listing.shares import belongs_to_shard
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.storage.local import Input


def files_to_do(options: BatchOptions, source: Input) -> Iterator[Found]:
    """List the files that match the patterns, the shard and the sample of ``options``."""
    keep = PathFilter(options.include, options.exclude, include_hidden=options.include_hidden)
    found = source.find(keep, leave_out=options.output)
    if options.shard is not None:
        shard, slots = options.shard, options.shard_slots
        found = (one for one in found if belongs_to_shard(one.path, *shard, slots))
    if options.sample is not None:
        found = iter(spread_sample((one for one in found if not has_other_extension(one.path)), options.sample))
    return found
