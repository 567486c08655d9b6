"""
The gate beside nginx, HAProxy and Caddy, with equal work: C{python -m benchmarks keepalive}.

L{_processes} starts, pins, measures and ends; L{_peers} says how each proxy is configured; L{_load} and L{_clients}
make the load; L{_rounds} lets them take turns; L{_report} prints the table and writes JSON; L{_plot} draws it.  Every
other module is one benchmark.  C{docs/performance.md} says what the figures mean.
"""
