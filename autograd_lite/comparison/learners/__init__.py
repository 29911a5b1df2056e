"""The code of learners: functions, layers and classes with a backward by hand, run and judged."""
