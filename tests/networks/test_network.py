import hashlib

import pytest
import torch
from torch import nn

from unitscope.networks import PRESETS, Network, eval_mode, float32_matmul_precision


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())


def network(module):
    return Network("small", module, PRESETS["imagenet"])


def test_the_fingerprint_is_the_hash_of_names_types_shapes_and_bytes():
    module = small()
    digest = hashlib.sha256()
    for name in sorted(module.state_dict()):
        tensor = module.state_dict()[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode() + tensor.numpy().tobytes())
    assert network(module).fingerprint == digest.hexdigest()


def change_a_bit(module):
    module[0].bias.data[0] += 1e-6


def change_a_buffer(module):
    module[1].running_mean[0] = 1


def change_the_type(module):
    module.to(torch.float64)


@pytest.mark.parametrize("change", [change_a_bit, change_a_buffer, change_the_type])
def test_the_fingerprint_changes_with_the_weights(change):
    changed = small()
    change(changed)
    assert network(changed).fingerprint != network(small()).fingerprint


def test_the_fingerprint_does_not_depend_on_the_memory_format():
    assert network(small().to(memory_format=torch.channels_last)).fingerprint == network(small()).fingerprint


def test_bfloat16_and_empty_networks_have_fingerprints():
    assert network(small().to(torch.bfloat16)).fingerprint != network(nn.ReLU()).fingerprint


def test_parameters_are_counted_without_buffers():
    assert network(small()).parameter_count == 4 * 3 * 9 + 4 + 4 + 4


def test_eval_mode_gives_each_submodule_its_own_mode_back():
    module = small().train()
    module[1].eval()
    with eval_mode(module) as running:
        assert not any(part.training for part in running.modules())
    assert [part.training for part in module] == [True, False, True]


def test_eval_mode_ends_after_an_error():
    module = small().train()
    with pytest.raises(ZeroDivisionError, match="division"), eval_mode(module):
        _ = 1 / 0
    assert module[2].training


def test_matmul_precision_is_set_temporarily_and_restored():
    def settings():
        kinds = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)
        return [kind.fp32_precision for kind in kinds], torch.backends.cudnn.benchmark

    torch.backends.cudnn.benchmark = True
    try:
        before = settings()
        with float32_matmul_precision("tf32"):
            assert settings() == (["tf32"] * 3, False)
            with float32_matmul_precision("ieee"):
                assert settings() == (["ieee"] * 3, False)
            assert settings() == (["tf32"] * 3, False)
        assert settings() == before
    finally:
        torch.backends.cudnn.benchmark = False
