"""libfabric's software providers over the loopback interface: every byte checked, and providers that are not there."""
import subprocess

import pytest

LOOPBACK = {f"FI_{provider}_IFACE": "lo" for provider in ("TCP", "NET", "UDP", "SOCKETS")}
pytestmark = pytest.mark.slow

PROVIDERS = ["tcp", "shm"]
QUICK = ["--bytes", "8,1000,64K", "--cell-time", "10ms", "--min-samples", "20", "--timeout", "20s", "--output", "result.json"]


def listed(wiremark):
    return subprocess.run([wiremark, "list"], capture_output=True, text=True, timeout=60, env=LOOPBACK, check=True).stdout


@pytest.fixture(autouse=True)
def built_in(wiremark):
    line, = [line for line in listed(wiremark).splitlines() if line.split()[:1] == ["ofi"]]
    if "not built in" in line:
        pytest.skip("libfabric is not installed: ofi is not built in")


@pytest.fixture
def ofi(wiremark, mpirun):
    """ofi(n, *words, env={}) -> how a run over transport ofi ended."""

    def run(n, *words, env=None):
        return mpirun(n, wiremark, "run", *words, "--transport", "ofi", env={**LOOPBACK, **(env or {})})

    return run


def measured(path, load_result, end):
    """The cells of a run in which all went well."""
    assert end.rc == 0, end.output
    result = load_result(path / "result.json")
    assert result["coverage"]["measured"] == result["coverage"]["planned"] > 0
    assert all(cell["verify"]["wrong_elements"] == 0 and cell["verify"]["checked_bytes"] > 0 for cell in result["cells"])
    return result["cells"]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("ranks", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_messages_and_composed_collectives(ofi, load_result, tmp_path, provider, ranks):
    end = ofi(ranks, "latency", "bandwidth", "allreduce", "alltoall", "broadcast", "--provider", provider, "--window", "16",
              "--algo", "allreduce:ring,allreduce:recursive-doubling,alltoall:pairwise,broadcast:binomial", *QUICK)
    cells = measured(tmp_path, load_result, end)
    assert {cell["algo"] for cell in cells if cell["bench"] == "allreduce"} == {"ring", "recursive-doubling"}
    assert all(cell["settings"]["provider"] == provider for cell in cells)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("how", ["delivery", "flush"])
def test_one_sided_operations_need_no_help_of_the_user(ofi, load_result, tmp_path, provider, how):
    measured(tmp_path, load_result, ofi(2, "put-latency", "get-latency", "put-bandwidth", "get-bandwidth", "--provider",
                                        provider, "--ofi-put", how, "--window", "16", *QUICK))


def test_a_full_name_is_a_name(ofi, load_result, tmp_path):
    cells = measured(tmp_path, load_result, ofi(2, "latency", "--provider", "tcp;ofi_rxm", *QUICK))
    assert cells[0]["settings"]["provider"] == "tcp;ofi_rxm"


def test_an_unknown_provider_is_absent_and_those_that_are_there_are_named(ofi, tmp_path):
    end = ofi(2, "latency", "--provider", "nosuch", *QUICK)
    assert end.rc == 3, end.output
    assert "--provider nosuch: this libfabric does not know it; there are: " in end.output
    assert "tcp" in end.output.split("there are: ")[1] and "shm" in end.output.split("there are: ")[1]
    assert "did you mean" not in end.output


def test_a_misspelt_provider_names_its_nearest(ofi):
    end = ofi(2, "latency", "--provider", "tpc", *QUICK)
    assert end.rc == 3 and "--provider tpc: this libfabric does not know it (did you mean tcp?)" in end.output, end.output


@pytest.mark.parametrize("variable", ["shm", "^tcp,net"])
def test_the_environment_that_leaves_a_provider_out_is_named(ofi, variable):
    end = ofi(2, "latency", "--provider", "tcp", *QUICK, env={"FI_PROVIDER": variable})
    assert end.rc == 3 and f"--provider tcp: FI_PROVIDER={variable} leaves it out; there are: " in end.output, end.output


def test_a_core_is_never_replaced_by_another(ofi):
    end = ofi(2, "latency", "--provider", "shm;ofi_rxm", *QUICK)
    assert end.rc == 3 and "--provider shm;ofi_rxm: it finds nothing here that it can use" in end.output, end.output


def test_an_unknown_way_to_complete_a_put_is_refused(ofi):
    end = ofi(2, "latency", "--ofi-put", "flash", *QUICK)
    assert end.rc == 2 and "did you mean flush?" in end.output, end.output
