"""`mimviz doctor` never breaks, whatever is broken."""

import json
from types import SimpleNamespace

import pytest

from mimviz.lab import doctor, gpu, probes
from mimviz.lab.probes import Check


def test_this_machine_works(mimviz):
    code, out, _ = mimviz("doctor")
    assert code == 0, out
    assert "All that mimviz needs works here" in out


def test_json_is_for_programs(mimviz):
    code, out, _ = mimviz("doctor", "--json")
    said = json.loads(out)
    assert said["works"] is (code == 0)
    assert {check["state"] for check in said["checks"]} <= set(doctor.MARKS)
    assert len(said["checks"]) == len(probes.PROBES)


@pytest.mark.parametrize(
    "error", [ImportError("libcudart.so.13"), OSError("disk"), SystemExit(3), RuntimeError(""), AttributeError("x")]
)
def test_a_probe_that_breaks_is_a_finding(mimviz, monkeypatch, error):
    def bundled_model():
        raise error

    monkeypatch.setattr(doctor, "PROBES", (probes.python, bundled_model, probes.disk))
    code, out, err = mimviz("doctor")
    assert (code, err) == (1, "")
    assert f"✗ bundled model        {type(error).__name__}" in out
    assert "disk" in out
    assert "1 of 3 checks failed: bundled model." in out


def test_a_torch_that_does_not_fit(monkeypatch):
    """What happens with the processor-only torch of one index and the CUDA torchvision of another."""

    def load(name):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
        return SimpleNamespace(__version__="2.13.0+cpu")

    monkeypatch.setattr(probes, "import_module", load)
    monkeypatch.setattr(probes.metadata, "version", lambda name: "0.29.2+cu132")
    check = probes.torch_pair()
    assert check.state == "fail"
    assert (
        "torch 2.13.0+cpu does not fit torchvision 0.29.2+cu132: operator torchvision::nms does not exist" in check.text
    )
    assert check.hint.startswith("one is the cpu build, the other the cu132 build; install both in one go")


def test_a_missing_package_is_named(monkeypatch):
    real = probes.import_module

    def load(name):
        if name == "captum":
            raise ModuleNotFoundError("No module named 'captum'")
        return real(name)

    monkeypatch.setattr(probes, "import_module", load)
    check = probes.packages()
    assert (check.state, check.text) == ("fail", "captum (ModuleNotFoundError: No module named 'captum')")
    assert check.hint.endswith("pip install --upgrade captum")


def test_an_old_package_is_named(monkeypatch):
    monkeypatch.setattr(
        probes.metadata, "requires", lambda name: ["timm>=999", "torch", 'pytest>=999; extra == "test"']
    )
    check = probes.requirements()
    assert check.state == "fail"
    assert check.text.endswith("wanted >=999")
    assert check.hint.endswith('pip install "timm>=999"')


def test_missing_bundles_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(probes, "PACKAGE", tmp_path)
    check = probes.widget_bundles()
    assert check.state == "fail"
    assert "pip install -e ." in check.hint


def test_a_full_disk_is_a_warning(monkeypatch):
    monkeypatch.setattr(probes.shutil, "disk_usage", lambda path: SimpleNamespace(free=2**29))
    assert probes.disk() == Check("disk", "warn", f"0.5 GiB free in {probes.Path.cwd()}", probes.disk().hint)


def fake_torch(*, cuda="13.2", hip=None, complaint="driver too old (found version 12000)"):
    def init():
        raise RuntimeError(complaint)

    return SimpleNamespace(
        __version__="2.15.0", version=SimpleNamespace(cuda=cuda, hip=hip), cuda=SimpleNamespace(init=init)
    )


@pytest.mark.parametrize(
    ("torch", "card", "hide", "cause", "advice"),
    [
        (fake_torch(), "", None, "no NVIDIA driver or card found", ""),
        (fake_torch(cuda=None), "", None, "processor-only build", ""),
        (
            fake_torch(cuda=None),
            "a T4 with driver 500",
            None,
            "there is a T4 with driver 500, but torch 2.15.0 is the processor",
            "--upgrade",
        ),
        (fake_torch(hip="6.0"), "", None, "AMD", ""),
        (
            fake_torch(),
            "a T4 with driver 500",
            "",
            "CUDA_VISIBLE_DEVICES='' hides every card",
            "unset CUDA_VISIBLE_DEVICES",
        ),
        (
            fake_torch(),
            "a T4 with driver 500",
            None,
            "for CUDA 13.2 cannot use it: driver too old (found version 12000)",
            "update",
        ),
    ],
)
def test_why_there_is_no_gpu(monkeypatch, torch, card, hide, cause, advice):
    monkeypatch.setattr(gpu, "nvidia_card", lambda: card)
    monkeypatch.setattr(gpu.sys, "platform", "linux")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hide is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hide)
    said, todo = gpu.explain_no_gpu(torch)
    assert cause in said
    assert advice in todo
    assert bool(advice) == bool(todo)


def test_a_plain_terminal_gets_plain_marks(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "can_print", lambda text: text.isascii())
    doctor.tell(Check("disk", "warn", "little", "tidy up"))
    assert capsys.readouterr().out.isascii()
