"""Jobs: their records and states, the queue, and the processes that run the stages."""
