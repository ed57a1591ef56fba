"""Pages of the docs site that are made from the code: the API reference, the gallery, the home page, the changelog.

In: the stub ``src/unitscope/__init__.pyi``, docstrings, README.md, CHANGELOG.md, CONTRIBUTING.md, and docs/gallery.py.
Out: pages for mkdocs, which calls `on_config` and `on_files`. A public name without a docstring stops the build.
"""

import ast
import importlib.util
import re
import tempfile
from collections import defaultdict
from functools import cache
from pathlib import Path

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

HOME = Path(__file__).parents[1]
PACKAGE = HOME / "src" / "unitscope"
REPOSITORY = "https://github.com/unitscope/unitscope/blob/main/"
PICTURES = "https://raw.githubusercontent.com/unitscope/unitscope/main/docs/"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill in the parts of the navigation that follow from the files and the code."""
    for entry in config.nav or []:
        if "Commands" in entry:
            entry["Commands"] = [f"commands/{path.name}" for path in sorted((HOME / "docs/commands").glob("*.md"))]
        if "Reference" in entry:
            entry["Reference"] = ["reference/index.md", *(f"reference/{section}.md" for section in sections())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code."""
    check_docstrings()
    pages = {
        "index.md": from_repository("README.md"),
        "changelog.md": from_repository("CHANGELOG.md"),
        "contributing.md": from_repository("CONTRIBUTING.md"),
        "reference/index.md": overview(),
        **{f"reference/{section}.md": reference(section) for section in sections()},
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    for name, content in gallery().items():
        files.append(File.generated(config, name, content=content))
    return files


@cache
def sections() -> dict[str, list[str]]:
    """Return the public names by the part of the package that defines them, from the stub."""
    found: dict[str, list[str]] = defaultdict(list)
    for node in ast.parse((PACKAGE / "__init__.pyi").read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found[node.module.partition(".")[0]] += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            for module in (name.name for name in node.names):
                found[module] = [f"{module}.{name}" for name in sorted(package()[module].exports or ())]
    return dict(sorted(found.items()))


@cache
def package() -> griffe.Object:
    """Return unitscope as griffe reads it, without importing it."""
    found = griffe.load("unitscope", search_paths=[PACKAGE.parent], resolve_aliases=True, resolve_external=False)
    assert isinstance(found, griffe.Object)
    return found


def check_docstrings() -> None:
    """Stop the build if a public name, or a public method of a public class, has no docstring.

    Raises:
        PluginError: with all names that lack one.
    """
    missing = []
    for name in (name for names in sections().values() for name in names):
        thing = package()[name]
        missing += [name] if thing.docstring is None else []
        if thing.is_class:
            missing += [
                f"{name}.{member.name}"
                for member in thing.all_members.values()
                if not member.name.startswith("_") and member.is_function and member.docstring is None
            ]
    if missing:
        raise PluginError(f"public names without a docstring: {', '.join(missing)}")


def reference(section: str) -> str:
    """Return the page of the public names that one part of the package defines."""
    entries = "\n\n".join(f"::: unitscope.{name}" for name in sections()[section])
    return f"# {section}\n\n{first_line(package()[section])}\n\n{entries}\n"


def overview() -> str:
    """Return the page that lists all public names with their first lines."""
    lines = ["# Reference", "", "Import the names from `unitscope`; each is loaded when it is first used.", ""]
    for section, names in sections().items():
        lines += [f"## [{section}]({section}.md)", "", "| name | |", "|---|---|"]
        for name in names:
            lines.append(f"| [`{name}`]({section}.md#unitscope.{name}) | {first_line(package()[name])} |")
        lines.append("")
    return "\n".join(lines)


def first_line(thing: griffe.Object | griffe.Alias) -> str:
    """Return the first paragraph of a docstring, as one line that fits a table."""
    text = thing.docstring.value if thing.docstring else ""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")


def from_repository(name: str) -> str:
    """Return a page of the repository's root with its links as the site has them."""
    text = (HOME / name).read_text("utf-8")
    text = text.replace(PICTURES, "").replace(f"{REPOSITORY}docs/", "")
    text = text.replace(f"{REPOSITORY}CHANGELOG.md", "changelog.md").replace(
        f"{REPOSITORY}CONTRIBUTING.md", "contributing.md"
    )
    return re.sub(r"\]\(docs/", "](", text)


@cache
def gallery() -> dict[str, str | bytes]:
    """Return the gallery's page and figures, drawn by docs/gallery.py."""
    spec = importlib.util.spec_from_file_location("gallery", HOME / "docs" / "gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with tempfile.TemporaryDirectory() as folder:
        page = module.make(Path(folder))
        drawn = {f"gallery/{path.name}": path.read_bytes() for path in sorted(Path(folder).glob("*.png"))}
    return {"gallery.md": page, **drawn}
