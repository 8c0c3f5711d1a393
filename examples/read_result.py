#!/usr/bin/env python3
"""Prints size, median and interval of each cell of a result.

usage: read_result.py wiremark-result.json
"""
import json
import sys

with open(sys.argv[1]) as file:
    result = json.load(file)
print(f"{result['coverage']['measured']} of {result['coverage']['planned']} cells measured, complete: {result['complete']}")
for cell in result["cells"]:
    if cell["status"] != "measured":
        print(f"{cell['id']}: {cell['status']}: {cell.get('reason', '')}")
        continue
    time = cell["time_ns"]
    low, high = time.get("ci95_low", float("nan")), time.get("ci95_high", float("nan"))
    print(f"{cell['bench']:15} {cell['transport']:6} {cell['bytes']:>10} B  {time['median']:12.1f} ns  [{low:.1f}, {high:.1f}]")
