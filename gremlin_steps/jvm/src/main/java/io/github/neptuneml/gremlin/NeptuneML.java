package io.github.neptuneml.gremlin;

/** The names that Neptune ML gives to its predicates, spelled exactly as Neptune spells them. */
public final class NeptuneML {

    /** What every predicate starts with. */
    public static final String PREFIX = "Neptune#ml.";

    public static final String ENDPOINT = PREFIX + "endpoint";
    public static final String IAM_ROLE_ARN = PREFIX + "iamRoleArn";
    public static final String LIMIT = PREFIX + "limit";
    public static final String THRESHOLD = PREFIX + "threshold";
    public static final String CLASSIFICATION = PREFIX + "classification";
    public static final String REGRESSION = PREFIX + "regression";
    public static final String PREDICTION = PREFIX + "prediction";
    public static final String SCORE = PREFIX + "score";
    public static final String INDUCTIVE_INFERENCE = PREFIX + "inductiveInference";
    public static final String DETERMINISTIC = PREFIX + "deterministic";
    public static final String DISABLE_INDUCTIVE_INFERENCE_METADATA_CACHE =
            PREFIX + "disableInductiveInferenceMetadataCache";
    public static final String FILTER_EXISTING_EDGES = PREFIX + "filterExistingEdges";
    public static final String FILTER_BEFORE_LIMIT = PREFIX + "filterBeforeLimit";

    /** What every option of our own starts with: not one of Neptune's. */
    public static final String OWN_PREFIX = "NeptuneML#";

    /** Blocks of rows in columns instead of one map per element. */
    public static final String COLUMNS = OWN_PREFIX + "columns";

    /** The threshold that validation has found best, instead of a number. */
    public static final String TUNED = "tuned";

    private NeptuneML() {
    }

    /** Whether a key means one of ours; case does not matter, so that a misspelt one is refused and not ignored. */
    public static boolean isPredicate(final Object key) {
        return key instanceof String && (startsWith((String) key, PREFIX) || startsWith((String) key, OWN_PREFIX));
    }

    private static boolean startsWith(final String key, final String prefix) {
        return key.regionMatches(true, 0, prefix, 0, prefix.length());
    }
}
