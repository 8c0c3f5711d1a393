"""Holds each partition to a baseline of its own: reframe -c wiremark_test.py -r

The sanity is the gate's verdict: only PASS, with all that is required judged, passes. The performance is what the launches
measured, for ReFrame's own records; its thresholds stay empty, since a fixed one knows nothing of scatter.
"""
import os

import reframe as rfm
import reframe.utility.sanity as sn
from reframe.core.backends import getlauncher

PASSED = r'^wiremark-gate: pass, (\d+) of \1 required judged, 0 failed$'


@rfm.simple_test
class WiremarkTest(rfm.RunOnlyRegressionTest):
    descr = 'interconnect against a baseline, 5 launches'
    valid_systems = ['*']  # change: system:partition
    valid_prog_environs = ['*']
    num_tasks = 16  # change: ranks, one a GPU or core
    num_tasks_per_node = 8
    exclusive_access = True
    time_limit = '1h'
    executable = 'wiremark-launches'
    what = 'latency bandwidth allreduce alltoall --max-bytes 64M'
    gate = '--tolerance 3%'
    baselines = '/shared/wiremark'  # change: SYSTEM-PARTITION.json are there, made by `wiremark bless`

    @run_before('run')
    def launch_often(self):
        """Each launch is a start of its own: the partition's launcher becomes a part of the command."""
        launcher = self.job.launcher.run_command(self.job)
        self.job.launcher = getlauncher('local')()
        self.executable_opts = ['5', '--', launcher, 'wiremark', 'run', self.what, '--format none --output now.json']
        baseline = os.path.join(self.baselines, self.current_partition.fullname.replace(':', '-') + '.json')
        self.postrun_cmds = [f'wiremark gate now-*.json --baseline {baseline} {self.gate} --write reframe:-']
        self.keep_files = ['now-*.json', 'now-launches.log']

    @sanity_function
    def gate_passed(self):
        return sn.assert_found(PASSED, self.stdout)

    def median_ns(self, bench, nbytes):
        """Of the launches' medians, as the gate judged it: a line "time:NAME 1593.157 ns", spaces of the name commas."""
        line = rf'^time:bench={bench},(?:\S*,)?bytes={nbytes},\S* (\S+) ns$'
        return sn.extractsingle(line, self.stdout, 1, float)

    @performance_function('us')
    def latency_8(self):
        return self.median_ns('latency', 8) / 1e3

    @performance_function('us')
    def allreduce_8(self):
        return self.median_ns('allreduce', 8) / 1e3
