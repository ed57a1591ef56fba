import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from unitscope.errors import NetworkError
from unitscope.networks.weights import load_into, read_state_dict


class NeedsCode:
    pass


@pytest.fixture
def module():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def fresh():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def same(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def prefixed(module, prefix):
    return {prefix + name: value for name, value in module.state_dict().items()}


WRAPPINGS = {
    "bare": lambda module: module.state_dict(),
    "checkpoint": lambda module: {"state_dict": module.state_dict(), "epoch": 3},
    "model": lambda module: {"model": module.state_dict(), "optimizer": {"lr": 0.1}},
    "model_state_dict": lambda module: {"model_state_dict": module.state_dict()},
    "parallel": lambda module: prefixed(module, "module."),
    "compiled": lambda module: prefixed(module, "_orig_mod."),
    "compiled and parallel": lambda module: {"state_dict": prefixed(module, "_orig_mod.module.")},
    "a part parallel": lambda module: {name.replace("1.", "1.module."): v for name, v in module.state_dict().items()},
    "averaged": lambda module: {"n_averaged": torch.tensor(3), **prefixed(module, "module.")},
    "lightning": lambda module: {"state_dict": prefixed(module, "model."), "pytorch-lightning_version": "2.4"},
    "profiled": lambda module: {**module.state_dict(), "total_ops": torch.zeros(1), "0.total_params": torch.zeros(1)},
    "any key": lambda module: {"net": module.state_dict(), "acc": 91.2, "epoch": 3},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_state_dicts_are_found_in_all_usual_wrappers(tmp_path, module, wrapping):
    torch.save(WRAPPINGS[wrapping](module), file := tmp_path / "w.pth")
    load_into(loaded := fresh(), read_state_dict(file, loaded.state_dict()), file)
    assert same(loaded, module)


def test_names_of_the_module_itself_are_kept(tmp_path):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = fresh()
            self.total_ops = nn.Parameter(torch.zeros(1))

    torch.save((saved := Wrapped()).state_dict(), file := tmp_path / "w.pth")
    load_into(loaded := Wrapped(), read_state_dict(file, loaded.state_dict()), file)
    assert same(loaded, saved)
    torch.save(prefixed(saved, "module."), file)
    load_into(loaded := Wrapped(), read_state_dict(file, loaded.state_dict()), file)
    assert same(loaded, saved)


def test_only_a_prefix_of_all_names_is_removed(tmp_path, module):
    torch.save({**prefixed(module, "model."), "loss.weight": torch.zeros(1)}, file := tmp_path / "w.pth")
    with pytest.raises(NetworkError, match=r"missing 0.weight, .*; unexpected model.0.weight, "):
        load_into(loaded := fresh(), read_state_dict(file, loaded.state_dict()), file)


def test_of_several_state_dicts_none_is_chosen(tmp_path, module):
    torch.save({"teacher": module.state_dict(), "student": module.state_dict()}, file := tmp_path / "w.pth")
    with pytest.raises(NetworkError, match=r"has several state dicts \('teacher', 'student'\); save the one"):
        read_state_dict(file)


def test_a_file_is_read_by_its_content_not_its_suffix(tmp_path, module):
    save_file(module.state_dict(), file := tmp_path / "w.ckpt")
    load_into(loaded := fresh(), read_state_dict(file), file)
    assert same(loaded, module)


def test_safetensors_are_read(tmp_path, module):
    save_file(module.state_dict(), file := tmp_path / "w.safetensors")
    load_into(loaded := fresh(), read_state_dict(file), file)
    assert same(loaded, module)


def test_float16_files_are_cast_to_the_modules_type(module):
    half = {name: value.half() for name, value in module.state_dict().items() if value.is_floating_point()}
    load_into(loaded := fresh(), half, "half")
    assert loaded[0].weight.dtype == torch.float32
    assert torch.equal(loaded[0].weight, module[0].weight.half().float())


def test_mismatched_weights_are_reported_and_change_nothing(module):
    state = dict(module.state_dict())
    del state["0.bias"], state["1.weight"]
    state |= {"extra": torch.zeros(1), "0.weight": torch.zeros(4, 3, 5, 5)}
    before = module[0].weight.clone()
    message = (
        r"'w.pth' doesn't fit Sequential: missing 0.bias, 1.weight; unexpected extra; "
        r"wrong shape: 0.weight is \[4, 3, 5, 5\], not \[4, 3, 3, 3\]"
    )
    with pytest.raises(NetworkError, match=message):
        load_into(module, state, "w.pth")
    assert torch.equal(module[0].weight, before)


def test_of_many_mismatches_the_first_few_are_reported(module):
    with pytest.raises(NetworkError, match=r"missing 0.weight, 0.bias, 1.weight and 3 more"):
        load_into(module, {}, "w.pth")


def test_a_pickle_that_needs_code_is_refused_with_what_to_save_instead(tmp_path):
    torch.save(NeedsCode(), file := tmp_path / "w.pth")
    with pytest.raises(NetworkError, match=r"contains code, which unitscope does not run; save a state dict instead"):
        read_state_dict(file)


@pytest.mark.parametrize("content", [b"", b"hello", b"<html>Not found</html>", b"PK\x03\x04 cut off"])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_damaged_files_are_reported(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NetworkError, match=f"{name}' is not a weight file, or is damaged"):
        read_state_dict(tmp_path / name)


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3}, file := tmp_path / "w.pth")
    with pytest.raises(NetworkError, match=r"has no state dict; it has 'epoch'; save one with torch.save"):
        read_state_dict(file)


def test_a_missing_file_suggests_the_nearest_names(tmp_path):
    (tmp_path / "vgg16.pth").touch()
    with pytest.raises(NetworkError, match=r"no file '.*vgg.pth'; closest: 'vgg16.pth'"):
        read_state_dict(tmp_path / "vgg.pth")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    with pytest.raises(NetworkError, match="is a folder, not a file"):
        read_state_dict(tmp_path)


@pytest.mark.filterwarnings("ignore:`?torch.jit:FutureWarning", "ignore:`?torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kind", ["scripted", "exported"])
def test_a_file_that_holds_a_program_says_how_to_save_its_weights(tmp_path, kind):
    module, file = nn.Sequential(nn.Conv2d(3, 4, 3)).eval(), tmp_path / ("net.pt" if kind == "scripted" else "net.pt2")
    if kind == "scripted":
        torch.jit.script(module).save(str(file))
    else:
        torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 8, 8),)), file)
    with pytest.raises(NetworkError, match=r"holds a program, not weights; save its weights with torch.save\(torch\."):
        read_state_dict(file, module.state_dict())
