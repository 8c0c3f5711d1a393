"""Holds each partition to a baseline of its own: reframe -c wiremark_test.py -r

The sanity is the gate's verdict: only PASS, with all that is required judged, passes. The performance is what the launches
measured, for ReFrame's own records; its thresholds stay empty, since a fixed one knows nothing of scatter.
"""
import csv
import os

import reframe as rfm
import reframe.utility.sanity as sn
from reframe.core.backends import getlauncher

PASSED = r'^PASS: (\d+) of \1 required cells judged: \1 passed, 0 failed; 0 not judged'


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
        judge = f'wiremark gate now-*.json --baseline {baseline} {self.gate}'
        self.postrun_cmds = [f'{judge} --all --format csv --output verdict.csv', judge]
        self.keep_files = ['now-*.json', 'now-launches.log', 'verdict.csv']

    @sanity_function
    def gate_passed(self):
        return sn.assert_found(PASSED, self.stdout)

    def median_ns(self, bench, nbytes):
        """Of the launches' medians, as the gate judged it."""
        with open(os.path.join(self.stagedir, 'verdict.csv')) as file:
            for row in csv.DictReader(file):
                if row['name'].startswith(f'bench={bench} ') and f' bytes={nbytes} ' in row['name']:
                    return float(row['judged.median_ns'])
        raise ValueError(f'verdict.csv has no {bench} of {nbytes} bytes')

    @performance_function('us')
    def latency_8(self):
        return self.median_ns('latency', 8) / 1e3

    @performance_function('us')
    def allreduce_8(self):
        return self.median_ns('allreduce', 8) / 1e3
