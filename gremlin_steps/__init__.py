"""The Gremlin side: the predicates' names for Python drivers, a DSL (`gremlin_steps.dsl`), and the plugin's jar.

The names are Neptune ML's, spelled exactly as Neptune spells them; the last one is this project's own.
"""

from neptuneml_plugin import __version__ as __version__

ENDPOINT = "Neptune#ml.endpoint"
IAM_ROLE_ARN = "Neptune#ml.iamRoleArn"
LIMIT = "Neptune#ml.limit"
THRESHOLD = "Neptune#ml.threshold"
CLASSIFICATION = "Neptune#ml.classification"
REGRESSION = "Neptune#ml.regression"
PREDICTION = "Neptune#ml.prediction"
SCORE = "Neptune#ml.score"
INDUCTIVE_INFERENCE = "Neptune#ml.inductiveInference"
DETERMINISTIC = "Neptune#ml.deterministic"
DISABLE_INDUCTIVE_INFERENCE_METADATA_CACHE = "Neptune#ml.disableInductiveInferenceMetadataCache"
FILTER_EXISTING_EDGES = "Neptune#ml.filterExistingEdges"
FILTER_BEFORE_LIMIT = "Neptune#ml.filterBeforeLimit"
