"""libfabric's software providers over the loopback interface: every byte checked, and providers that are not there."""
import os
import re
import signal
import subprocess
import time

import pytest

LOOPBACK = {f"FI_{provider}_IFACE": "lo" for provider in ("TCP", "NET", "UDP", "SOCKETS")}
pytestmark = pytest.mark.slow

PROVIDERS = ["tcp", "shm"]
QUICK = ["--bytes", "8,1000,64K", "--cell-time", "10ms", "--min-samples", "20", "--timeout", "20s", "--output", "result.json"]


def listed(wiremark):
    return subprocess.run([wiremark, "list"], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **LOOPBACK}, check=True).stdout


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


@pytest.fixture
def providers(wiremark):
    """The full names of what can be used here, as list tells them."""
    return re.search(r"^  ofi .*\n +usable here: (.*)", listed(wiremark), re.M)[1].split(", ")


def need_provider(providers, provider):
    if provider not in providers and provider not in [name.split(";")[0] for name in providers]:
        pytest.skip(f"this libfabric has no {provider}")


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


@pytest.mark.parametrize("provider", ["tcp", "shm", "udp;ofi_rxd"])
@pytest.mark.parametrize("ranks", [2, 3])
def test_messages_without_tags_are_written_into_their_receives(ofi, load_result, tmp_path, providers, provider, ranks):
    need_provider(providers, provider)
    end = ofi(ranks, "latency", "bandwidth", "allreduce", "alltoall", "put-latency", "--provider", provider, "--ofi-messages",
              "written", "--window", "16", "--algo", "allreduce:ring,alltoall:pairwise", *QUICK)
    cells = measured(tmp_path, load_result, end)
    assert {cell["settings"]["ofi-messages"] for cell in cells} == {"written"}


def test_a_provider_without_tags_cannot_be_asked_for_them(ofi):
    end = ofi(2, "latency", "--provider", "efa-direct", "--ofi-messages", "tagged", *QUICK)
    assert end.rc == 2 and "--ofi-messages tagged: efa-direct has no tags; take --provider efa, or written" in end.output, end.output


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


# What can be asked for, whatever this libfabric was built with.
ASKED_FOR = ["efa", "efa-direct", "verbs;ofi_rxm", "verbs;ofi_rxd", "tcp", "net", "udp;ofi_rxd", "shm", "psm2", "psm3", "cxi", "opx"]


@pytest.mark.parametrize("provider", ASKED_FOR)
def test_a_provider_is_measured_or_its_absence_explained(ofi, load_result, tmp_path, providers, provider):
    end = ofi(2, "latency", "--provider", provider, *QUICK)
    if provider in providers or provider in [name.split(";")[0] for name in providers]:
        cell = measured(tmp_path, load_result, end)[0]
        assert cell["provider"].split(";")[0] == provider.split(";")[0] and cell["settings"]["provider"] == provider
        return
    assert end.rc == 3, end.output
    reason = load_result(tmp_path / "result.json")["cells"][0]["reason"]
    assert re.search(rf"--provider {provider}: (this libfabric was built without it|it finds nothing here that it can use); "
                     r"there are: .*shm", reason), reason
    assert "did you mean" not in end.output  # a provider that exists is no slip of the pen


def test_providers_are_arms_of_one_comparison(ofi, load_result, tmp_path):
    end = ofi(2, "latency", "--provider", "tcp,shm", *QUICK)
    cells = measured(tmp_path, load_result, end)
    comparison, = load_result(tmp_path / "result.json")["comparisons"]
    assert comparison["varies"] == ["provider"] and comparison["arms"] == ["provider=tcp", "provider=shm"]
    assert comparison["interleaved"] is True
    assert {(cell["settings"]["provider"], cell["provider"].split(";")[0]) for cell in cells} == {("tcp", "tcp"), ("shm", "shm")}


def test_two_names_of_one_provider_are_measured_once(ofi, load_result, tmp_path, providers):
    full = next(name for name in providers if name.split(";")[0] == "tcp")  # what tcp alone comes to
    end = ofi(2, "latency", "--provider", f"tcp,{full},shm" if full != "tcp" else "tcp,shm", *QUICK)
    cells = measured(tmp_path, load_result, end)
    assert [cell["settings"]["provider"] for cell in cells] == ["tcp", "shm"] * 3
    assert (f"wiremark: warning: --provider: tcp and {full} are the same provider here, measured once" in end.stderr) == (full != "tcp")


def test_hosts_that_count_providers_differently_are_refused(wiremark, mpirun, tmp_path, providers):
    if "tcp;ofi_rxm" not in providers or "tcp" in providers:
        pytest.skip("tcp is not tcp;ofi_rxm here")
    on_one = '[ "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" = 1 ] && export FI_PROVIDER=shm; exec "$0" "$@"'
    end = mpirun(2, "sh", "-c", on_one, wiremark, "run", "latency", "--transport", "ofi", "--provider", "tcp,tcp;ofi_rxm", *QUICK,
                 env=LOOPBACK)
    assert end.rc == 3 and "two of these are the same provider, and elsewhere they are not; give full names" in end.output, end.output
    assert list(tmp_path.iterdir()) == []


def test_a_provider_that_is_named_twice_is_refused(ofi):
    end = ofi(2, "latency", "--provider", "tcp,shm,tcp", *QUICK)
    assert end.rc == 2 and "--provider: tcp is named twice" in end.output, end.output


def test_a_misspelt_provider_names_its_nearest(ofi):
    end = ofi(2, "latency", "--provider", "tpc", *QUICK)
    assert end.rc == 3 and "--provider tpc: this libfabric does not know it (did you mean tcp?)" in end.output, end.output


def test_a_layer_alone_is_no_provider(ofi):
    end = ofi(2, "latency", "--provider", "ofi_rxm", *QUICK)
    assert end.rc == 3 and "--provider ofi_rxm: this is a layer over a provider: name what it stands on" in end.output, end.output


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


@pytest.mark.parametrize("words, variable, takes", [([], None, 131072), ([], "65536", 65536), (["--ofi-eager", "32K"], None, 32768),
                                                    (["--ofi-eager", "16K"], "65536", 16384)],
                         ids=["default", "variable", "option", "both"])
def test_rxm_takes_the_eager_limit_and_the_environment_stays(ofi, load_result, tmp_path, providers, words, variable, takes):
    if "tcp;ofi_rxm" not in providers:
        pytest.skip("this libfabric makes no endpoint of tcp by ofi_rxm")
    mine = {"FI_OFI_RXM_EAGER_LIMIT": variable} if variable else {}
    end = ofi(2, "latency", "--provider", "tcp;ofi_rxm", "--bytes", "16K,16385,128K,131073", *words, *QUICK[2:],
              env={"FI_LOG_LEVEL": "info", "FI_LOG_PROV": "ofi_rxm", **mine})
    cells = measured(tmp_path, load_result, end)
    assert re.findall(r"Protocol limits: Eager: (\d+)", end.stderr) == [str(takes)] * 2, end.stderr[-3000:]
    assert [cell["settings"].get("ofi-eager") for cell in cells] == [words[1] if words else None] * 4
    assert load_result(tmp_path / "result.json")["environment"]["variables"].get("FI_OFI_RXM_EAGER_LIMIT") == variable


def test_an_eager_limit_below_the_buffers_is_refused(ofi):
    end = ofi(2, "latency", "--ofi-eager", "8K", *QUICK)
    assert end.rc == 2 and '--ofi-eager: "8K" is out of range, want from 16K to 1G' in end.output, end.output


def test_an_eager_limit_that_nobody_would_heed_is_not_recorded(ofi, providers):
    need_provider(providers, "shm")
    end = ofi(2, "latency", "--provider", "shm", "--bytes", "8", "--cell-time", "10ms", "--ofi-eager", "32K")
    assert end.rc == 3, end.output
    assert "--ofi-eager is of provider tcp;ofi_rxm, and this is shm, which would not heed it" in end.stdout, end.output


def test_list_names_the_providers_that_can_be_used(providers):
    assert "shm" in providers and any(name.split(";")[0] == "tcp" for name in providers), providers


def test_collectives_need_no_word_for_the_algorithm(wiremark, mpirun, load_result, tmp_path):
    """The library's own, and where the transport has none the fastest of ours."""
    end = mpirun(2, wiremark, "run", "allreduce", "barrier", "--transport", "mpi,ofi", "--bytes", "64", "--cell-time", "20ms",
                 "--min-samples", "20", "--output", "result.json", env=LOOPBACK)
    assert end.rc == 0, end.output
    result = load_result(tmp_path / "result.json")
    assert [(cell["bench"], cell["transport"], cell["algo"], cell["status"]) for cell in result["cells"]] == [
        ("allreduce", "mpi", "native", "measured"), ("allreduce", "ofi", "auto", "measured"),
        ("barrier", "mpi", "native", "measured"), ("barrier", "ofi", "auto", "measured")]
    assert [comparison["varies"] for comparison in result["comparisons"]] == [["transport", "algo"]] * 2


def test_a_native_collective_that_is_named_is_missed(ofi):
    end = ofi(2, "allreduce", "--algo", "native", "--bytes", "64", "--cell-time", "20ms")
    assert end.rc == 3 and "transport ofi has no collectives of its own: use a composed algorithm" in end.stdout, end.output


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_every_composed_algorithm_of_every_collective(wiremark, ofi, load_result, tmp_path, ranks):
    benches = dict(re.findall(r"^  ([\w-]+) .*\n(?: +size: .*\n)? +algorithms: native (.*)", listed(wiremark), re.M))
    assert {"allreduce", "alltoall", "allgather", "reduce-scatter", "barrier"} <= set(benches), benches
    algos = [f"{bench}:{algo}" for bench, names in benches.items() for algo in names.split()]
    end = ofi(ranks, *benches, "--provider", "tcp", "--algo", ",".join(algos), "--bytes", "1000,64K,300K", "--cell-time", "10ms",
              "--min-samples", "20", "--timeout", "30s", "--output", "result.json")
    assert end.rc == 0, end.output
    cells = load_result(tmp_path / "result.json")["cells"]
    assert {f"{cell['bench']}:{cell['algo']}" for cell in cells} == set(algos)
    for cell in cells:
        assert cell["status"] == "measured", cell
        assert cell["bench"] == "barrier" or (cell["verify"]["checked_bytes"] > 0 and cell["verify"]["wrong_elements"] == 0), cell


@pytest.mark.parametrize("provider", ["tcp", "net"])
def test_a_connection_that_is_reset_costs_its_arm_and_the_run_goes_on(wiremark, mpirun, preload, load_result, tmp_path,
                                                                     provider, providers):
    need_provider(providers, provider)
    end = mpirun(2, "env", f"LD_PRELOAD={preload('reset')}", wiremark, "run", "latency", "--transport", "ofi,mpi", "--provider",
                 provider, *QUICK, env={**LOOPBACK, "WM_RESET_RANK": "1", "WM_RESET_AT": "50"})
    assert end.rc == 1, end.output
    cells = load_result(tmp_path / "result.json")["cells"]
    assert all(cell["status"] == "measured" for cell in cells if cell["transport"] == "mpi"), cells
    failed = [cell["reason"] for cell in cells if cell["transport"] == "ofi" and cell["status"] == "failed"]
    assert failed and re.search(rf"over {provider}.* failed: .*look whether the peer lives", failed[0]), failed


def rank_of(pid):
    with open(f"/proc/{pid}/environ") as file:
        variables = dict(v.split("=", 1) for v in file.read().split("\0") if "=" in v)
    return int(variables.get("OMPI_COMM_WORLD_RANK", variables.get("PMI_RANK", -1)))


@pytest.fixture
def signal_a_rank(wiremark, mpirun_start, tmp_path):
    """signal_a_rank(provider, victim, number) -> how a run of 3 ranks ended after one of them got a signal, two cells done."""

    def go(provider, victim, number):
        program = mpirun_start(3, wiremark, "run", "allreduce", "latency", "--algo", "allreduce:ring", "--transport", "ofi",
                               "--provider", provider, "--min-bytes", "8", "--max-bytes", "64K", "--cell-time", "200ms",
                               "--min-samples", "100000000", "--timeout", "1s", "--output", "result.json", env=LOOPBACK)
        journal = tmp_path / "result.json.journal"
        while not journal.exists() or journal.read_bytes().count(b'{"cell"') < 2:
            assert program.running(), program.stdout() + program.stderr()
            time.sleep(0.01)
        ranks = {rank_of(pid): pid for pid in program.pids("wiremark")}
        os.kill(ranks[victim], number)
        end = program.finish(40)
        assert not end.timed_out, end.output
        return end

    return go


def whole(start, wiremark, load_result, tmp_path):
    """The partial result, from the journal where rank 0 had no time to write it."""
    if not (tmp_path / "result.json").exists():
        assert start([wiremark, "recover", "result.json.journal"]).finish(30).rc == 0
    result = load_result(tmp_path / "result.json")
    measured = [cell for cell in result["cells"] if cell["status"] == "measured"]
    assert result["complete"] is False and result["coverage"]["measured"] == len(measured) >= 2, result["coverage"]
    assert all(cell["verify"]["wrong_elements"] == 0 for cell in measured)
    return result


# Each provider has its own way to find out, or not to; the rank that holds the journal may be the one.
VICTIMS = [("tcp", 2), ("net", 2), ("shm", 2), ("udp;ofi_rxd", 2), ("shm", 0)]
LAST_WORDS = {0: r"what was measured stands in the journal beside the result: wiremark recover", 2: r"partial result in result\.json"}


@pytest.mark.parametrize("provider, victim", VICTIMS)
def test_a_killed_peer_loses_no_cell(signal_a_rank, wiremark, start, load_result, tmp_path, providers, provider, victim):
    need_provider(providers, provider)
    end = signal_a_rank(provider, victim, signal.SIGKILL)
    assert end.rc != 0, end.output
    if "mpirun noticed that process rank" in end.output:  # Open MPI leaves time for last words
        assert end.rc == 137, end.output
        said = [line for line in end.stderr.splitlines() if line.startswith("wiremark: ")]
        assert re.fullmatch(rf"wiremark: ended: rank {victim} on \S+ is gone \(process \d+\); {LAST_WORDS[victim]}", said[-1]), end.stderr
    whole(start, wiremark, load_result, tmp_path)


@pytest.mark.parametrize("provider, victim", VICTIMS)
def test_a_stopped_peer_ends_the_run_with_its_name(signal_a_rank, wiremark, start, load_result, tmp_path, providers, provider, victim):
    need_provider(providers, provider)
    end = signal_a_rank(provider, victim, signal.SIGSTOP)
    assert end.rc == 124, end.output
    said = "\n".join(line for line in end.stderr.splitlines() if line.startswith("wiremark: "))
    assert re.fullmatch(rf"wiremark: timed out after 1 s in bench=allreduce .* provider={provider} \(.*\)\n"
                        rf"wiremark:   rank {victim} on \S+ is stopped \(no sign of life for .*\)\n(wiremark:   ranks? .*\n)+"
                        rf"wiremark: {LAST_WORDS[victim]}", said), end.stderr
    whole(start, wiremark, load_result, tmp_path)
