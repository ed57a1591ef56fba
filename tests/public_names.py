"""The public names with their parameters, one per line; ``python -m tests.public_names`` updates the list."""

import inspect
import re
from pathlib import Path

import unitscope

KEPT = Path(__file__).with_name("public_names.txt")


def public_names():
    """Return the lines of the list: functions, classes and public members of our classes."""
    named = {name: getattr(unitscope, name) for name in unitscope.__all__}
    for name, module in list(named.items()):
        if inspect.ismodule(module):
            named |= {f"{name}.{inner}": getattr(module, inner) for inner in named.pop(name).__all__}
    return sorted({line for name, value in named.items() for line in lines_of(name, value)})


def lines_of(name, value):
    """Yield a name with its parameters, and those of a class's public members."""
    yield name + parameters_of(value)
    for member in dir(value) if inspect.isclass(value) else ():
        found = inspect.getattr_static(value, member)
        own = any(member in vars(base) for base in value.__mro__ if base.__module__.startswith("unitscope"))
        if own and not member.startswith("_"):
            yield f"{name}.{member}" + parameters_of(getattr(found, "__func__", found))


def parameters_of(value):
    """Return parameters without annotations, whose text depends on the Python version; values and errors have none."""
    if not callable(value) or (isinstance(value, type) and issubclass(value, Exception)):
        return ""
    signature = inspect.signature(value)
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    text = str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))
    return re.sub(r"<(?:function )?([\w.]+)(?: object)? at 0x\w+>", r"\1", text)


if __name__ == "__main__":
    KEPT.write_text("".join(f"{line}\n" for line in public_names()), "utf-8")
