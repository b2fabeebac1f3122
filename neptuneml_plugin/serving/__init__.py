"""An artifact to answers: prediction, the invocation's body, the worker."""
