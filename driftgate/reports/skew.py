"""A check of served features as lines, as Markdown, and as JSON."""

from collections.abc import Iterator

from driftgate.features.skew import Skew, SkewVerdict, SourceSkew
from driftgate.reports.terminal import json_text

_FEATURES_SHOWN = 20


def skew_lines(skew: Skew) -> list[str]:
    """`[Skew] ...` on standard output, and a line for each feature that differs, at most twenty of each source."""
    shares = " ".join(f"{item.source}={_share(item)} (of {item.compared:,})" for item in skew.sources)
    head = f"[Skew] as_of={skew.as_of} {shares} threshold={skew.threshold:g} -> {skew.verdict}"
    return [head, *(f"  {line}" for item in skew.sources for line in _differences(item))]


def skew_markdown(skew: Skew) -> str:
    """A page with the same."""
    different = skew.verdict is SkewVerdict.SKEW
    lines = [
        "# Other features are served than are learnt" if different else "# The features served are those learnt",
        "",
        f"**{skew.monitor}**, {skew.as_of}, {skew.entities:,} entities, threshold {skew.threshold:g}",
        "",
        "| compared with the offline join | entities | of them different |",
        "|---|---|---|",
        *(f"| {item.source} | {item.compared:,} | {item.differing:,} |" for item in skew.sources),
        "",
        *(f"- {line}" for item in skew.sources for line in _differences(item)),
    ]
    return "\n".join(lines).rstrip()


def skew_document(skew: Skew) -> str:
    """The JSON document of `driftgate skew --json`."""
    return json_text(skew.to_dict())


def _share(item: SourceSkew) -> str:
    return "none" if item.share is None else f"{item.share:.4f}"


def _differences(item: SourceSkew) -> Iterator[str]:
    if item.incomplete:
        examples = ", ".join(item.incomplete_examples)
        yield f"{item.source}: {item.incomplete:,} entities have no whole row, such as {examples}"
    if item.surplus:
        such = f", such as {', '.join(item.surplus_examples)}" if item.surplus_examples else ""
        yield f"{item.source}: {item.surplus:,} entities are served that the month does not have{such}"
    for found in item.mismatches[:_FEATURES_SHOWN]:
        examples = ", ".join(found.examples)
        yield f"{item.source} {found.feature}: another value for {found.entities:,} entities, such as {examples}"
    if len(item.mismatches) > _FEATURES_SHOWN:
        yield f"{item.source}: {len(item.mismatches) - _FEATURES_SHOWN} more features"
