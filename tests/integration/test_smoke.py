"""Two ranks measure a little of everything that the frame carries: launcher, program, result, schema."""


def test_two_ranks_measure_and_write_a_valid_result(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "latency", "allreduce", "--bytes", "8,1K", "--cell-time", "10ms",
                 "--output", "result.json")
    assert end.rc == 0, end.output
    result = load_result(tmp_path / "result.json")
    assert result["complete"] is True
    assert result["coverage"]["measured"] == result["coverage"]["planned"] == 4
    assert {cell["bench"] for cell in result["cells"]} == {"latency", "allreduce"}
    assert all(cell["verify"]["wrong_elements"] == 0 for cell in result["cells"])


def test_the_null_transport_measures_the_harness_and_verifies_nothing(wiremark, mpirun, load_result, tmp_path):
    end = mpirun(2, wiremark, "run", "latency", "--transport", "null", "--bytes", "8", "--cell-time", "10ms",
                 "--output", "result.json")
    assert end.rc == 0 and "MOVES NOTHING" in end.stdout, end.output
    cell, = load_result(tmp_path / "result.json")["cells"]
    assert cell["transport"] == "null" and "verify" not in cell


def test_an_unknown_benchmark_is_refused_once_with_the_nearest_name(wiremark, mpirun, tmp_path):
    end = mpirun(2, wiremark, "run", "latencey")
    assert end.rc == 2, end.output
    assert end.stderr.count("latencey") == 1 and "latency" in end.stderr.replace("latencey", "")
    assert list(tmp_path.iterdir()) == []
