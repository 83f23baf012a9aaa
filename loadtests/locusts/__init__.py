"""The users of a load test, on locust: they ask the questions of `loadtests.traffic`, time and check the answers."""
