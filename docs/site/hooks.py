"""What MkDocs does beyond its configuration: pages from the root of the project, the page of options, and links.

The pages in `docs` are written for the repository, where they are read as well. A link that leads out of `docs` is
turned into one to the page that stands for that file, or into its text where there is none.
"""

import inspect
import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
# MkDocs loads this file alone.
sys.path.append(str(Path(__file__).parent))
from diagrams import draw_diagrams  # noqa: E402

OF_THE_ROOT = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
OPTIONS = "reference/options.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are no files in `docs`."""
    for name, uri in OF_THE_ROOT.items():
        files.append(File.generated(config, uri, content=(ROOT / name).read_text(encoding="utf-8")))
    files.append(File.generated(config, OPTIONS, content=options_page()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Give each link the place that its target has on the site."""
    source = {uri: name for name, uri in OF_THE_ROOT.items()}.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    if page.file.src_uri == OPTIONS:
        return markdown
    known = {file.src_uri for file in files}
    # A word behind the language of a code block is for the tests.
    markdown = re.sub(r"^```(\w+) \w+$", r"```\1", markdown, flags=re.MULTILINE)
    markdown = draw_diagrams(markdown)
    return re.sub(
        r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)",
        lambda found: _link(found, PurePosixPath(source), page.file.src_uri, known),
        markdown,
    )


def _link(found: "re.Match[str]", source: PurePosixPath, page: str, known: set[str]) -> str:
    mark, label, target = found.groups()
    path, hash_mark, anchor = target.partition("#")
    if "://" in target or not path:
        return found.group()
    place = _uri(str(source.parent / path))
    if place not in known:
        return label
    up = "../" * page.count("/")
    return f"{mark}[{label}]({up}{place}{hash_mark}{anchor})"


def _uri(path: str) -> str:
    """The page or picture that stands for a file of the repository."""
    parts: list[str] = []
    for part in PurePosixPath(path).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    name = "/".join(parts)
    if name in OF_THE_ROOT:
        return OF_THE_ROOT[name]
    inside = name.removeprefix("docs/") if name.startswith("docs/") else name
    return f"{inside}/README.md" if (ROOT / "docs" / inside).is_dir() else inside


def options_page() -> str:
    """Every command with what it says of itself, from the program."""
    from flows.cli.app import app

    group: Any = typer.main.get_command(app)
    lines = ["# Every option", "", "From the program itself, as `driftgate COMMAND --help` has it.", ""]
    for name, command in sorted(group.commands.items()):
        context = typer.Context(command, info_name=f"driftgate {name}")
        lines += [f"## {name}", "", "```text", command.get_usage(context).removeprefix("Usage: "), "```", ""]
        lines += [inspect.cleandoc(command.help or ""), ""]
        rows = [_option(item) for item in command.params if item.param_type_name == "option"]
        if rows:
            lines += ["| option | meaning | default |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(lines)


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    default = "" if option.default in (None, False) else f"`{option.default}`"
    required = "required" if option.required else default
    return f"| {names} | {(option.help or '').replace('|', '/')} | {required} |"
