"""The rows of the tables of inference, warnings and rejections, each of which has a golden case.

Tables: neptune-export's README on `neptune_ml` and AWS's guide. Where a row of Neptune's has several causes, each
is a row here: a type, a member, a spelling.
"""

_NUMBERS = ("byte", "short", "integer", "long", "float", "double")

#: Table -> its rows; `tests/golden/export/rows/<table>/<row>.json` are the cases.
ROWS: dict[str, tuple[str, ...]] = {
    # What a data type alone becomes, version 2.
    "inference": (
        "string", "string_several",
        "boolean", "boolean_several",
        *_NUMBERS, *(f"{name}_several" for name in _NUMBERS),
        "date", "date_several",
        "nothing_seen",
    ),
    # Which data type holds values of two.
    "widening": (
        "same_type", "anything_with_string", "boolean_with_anything", "later_number", "number_with_date",
        "other_class", "several_even_once",
    ),
    # What stands below the table of inference.
    "rules": ("order_of_features", "target_is_no_feature", "override_without_imputer"),
    # Members of a job.
    "keys": (
        "version", "name", "numbered_names", "jobs",
        "targets_as_object", "targets_as_array", "targets_absent", "features_as_object",
        "split_rate", "split_rate_of_target",
        "feature_encoding_none", "feature_encoding_auto", "feature_encoding_unknown", "disable_edge_features",
    ),
    # Members of a target.
    "targets": (
        "node_classification", "node_regression", "edge_classification", "edge_regression",
        "link_prediction", "link_prediction_empty_property",
        "labels_as_array", "labels_of_neptune", "labels_joined", "edge_ends_as_arrays",
        "separator_given", "separator_of_several_values",
    ),
    # Types of features and their parameters.
    "features": (
        "auto", "auto_on_edge", "auto_of_several_values",
        "numerical", "numerical_defaults", "numerical_of_several_values", "numerical_properties",
        "numerical_on_edge",
        "category", "category_separator", "category_on_edge",
        "none",
        "bucket_numerical", "bucket_numerical_num_buckets",
        "datetime", "datetime_parts_absent", "datetime_parts_empty",
        "text_tfidf", "text_word2vec", "word2vec", "text_fasttext",
        "text_sbert", "text_sbert128", "text_sbert512",
        "imputer_mean", "imputer_median", "imputer_most_frequent", "imputer_most_frequent_underscore",
        "imputation",
    ),
    # What ends the export.
    "rejections": (
        "feature_type_unknown", "feature_type_missing",
        "target_without_element",
        "edge_not_three", "node_neither_text_nor_array",
        "target_type_missing", "target_type_unknown", "link_prediction_of_nodes",
        "node_target_without_property", "edge_target_without_property",
        "split_rate_count", "split_rate_not_numbers", "split_rate_sum",
        "norm", "imputer", "datetime_parts",
        "range", "range_missing", "ngram_range", "ngram_range_missing",
        "bucket_cnt_missing", "bucket_cnt_not_integer",
        "min_df_missing", "min_df_not_integer", "max_features_missing", "max_features_not_integer",
        "slide_window_size_not_integer", "max_length_not_integer", "language_missing",
        "imputer_on_category", "separator_on_bucket_numerical",
        "duplicate_names",
    ),
    # What Neptune does not know.
    "additions": (
        "hash", "hash_of_several_values", "vector", "vector_of_several_values", "vector_on_edge", "z_score",
        "datetime_imputer", "on_error", "split_stratified", "split_inductive", "split_time", "similar",
        "refused_on_error", "refused_hash_width", "refused_split", "refused_split_property",
        "refused_similar", "refused_similar_entry", "refused_in_v1",
        "regression_of_texts", "regression_of_several_values",
    ),
    # What Neptune's exporter warns of. The first two are refused here.
    "warnings": (
        "target_property_absent", "feature_label_absent",
        "feature_property_absent", "feature_is_target",
        "text_tfidf_of_several_values", "text_word2vec_of_several_values", "text_fasttext_of_several_values",
        "text_sbert_of_several_values", "bucket_numerical_of_several_values",
        "datetime_of_several_values",
        "word2vec_language", "fasttext_language",
        "bucket_numerical_without_imputer",
    ),
    # Version 1.
    "v1": (
        *(f"inferred_{name}" for name in _NUMBERS), "inferred_numbers_several",
        "inferred_string", "inferred_string_several", "inferred_boolean", "inferred_date",
        "inferred_on_edge", "edge_without_properties",
        "node_class_label", "node_class_label_by_default", "node_class_label_of_several_values",
        "node_regression_label", "edge_class_label", "edge_regression_label",
        "category", "numerical", "several_properties", "numerical_on_edge", "word2vec", "bucket_numerical",
        "bucket_numerical_of_several_values", "numerical_of_several_values", "property_absent",
        "array",
        "refused_jobs", "refused_second_target", "refused_target_without_property", "refused_link_prediction",
        "refused_feature_type", "refused_word2vec_on_edge", "refused_bucket_numerical_on_edge",
        "refused_separator_of_numerical",
    ),
}  # fmt: skip
