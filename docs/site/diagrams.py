"""The flowcharts of the documents as pictures.

The repository's host draws their Mermaid text. The site, which fetches nothing from elsewhere, has them drawn by
Graphviz where that is installed, and shows the text where it is not.
"""

import re
import shutil
import subprocess

_BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NODE = re.compile(r'(\w+)(?:\[\(?"([^"]*)"\)?\])?')
_SUBGRAPH = re.compile(r'subgraph (\w+) \["([^"]*)"\]')
_STYLE = (
    'bgcolor="transparent"; fontname="sans-serif"; fontcolor="#7a86a3"; nodesep=0.25; ranksep=0.4;'
    'node [shape=box, style="rounded,filled", fillcolor="#eef2fb", color="#5470b8"];'
    'node [fontname="sans-serif", fontsize=12];'
    'edge [color="#7a86a3", arrowsize=0.7];'
)


def draw_diagrams(markdown: str) -> str:
    """Replace each flowchart by a picture."""
    dot = shutil.which("dot")
    return markdown if dot is None else _BLOCK.sub(lambda block: svg_of(block[1], dot), markdown)


def svg_of(flowchart: str, dot: str) -> str:
    """A flowchart as SVG in one line, which Markdown leaves as it is.

    Args:
        flowchart: the text within the block.
        dot: path of Graphviz's program.

    Raises:
        ValueError: a line is neither an edge nor a node nor a part of the frame.
    """
    drawn = subprocess.run([dot, "-Tsvg"], input=dot_of(flowchart), capture_output=True, text=True, check=True).stdout
    picture = drawn[drawn.index("<svg") :].replace("\n", " ")
    # It is as wide as the page at most.
    return re.sub(r'width="\d+pt" height="\d+pt"', 'style="max-width:100%;height:auto"', picture, count=1)


def dot_of(flowchart: str) -> str:
    """A flowchart in Graphviz's own language.

    Raises:
        ValueError: a line is neither an edge nor a node nor a part of the frame.
    """
    head, *lines = [line.strip() for line in flowchart.strip().splitlines()]
    out = [f"digraph {{ rankdir={head.split()[1].replace('TD', 'TB')}; {_STYLE}"]
    for line in lines:
        frame = _SUBGRAPH.fullmatch(line)
        nodes = [_NODE.fullmatch(part.strip()) for part in line.split("-->")]
        if frame:
            out.append(f'subgraph cluster_{frame[1]} {{ label="{frame[2]}"; color="#7a86a3"; style=rounded;')
        elif line == "end":
            out.append("}")
        elif all(nodes):
            found = [node for node in nodes if node]
            out += [f'"{node[1]}" [label="{_lines(node[2])}"];' for node in found if node[2]]
            out.append(" -> ".join(f'"{node[1]}"' for node in found) + ";")
        else:
            raise ValueError(f"a flowchart of the documents has a line that cannot be drawn: {line!r}")
    return "\n".join([*out, "}"])


def _lines(label: str) -> str:
    return label.replace("<br/>", "\\n")
