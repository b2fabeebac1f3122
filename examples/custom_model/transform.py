"""The transform entry point: called without arguments, once the best trial is known and for every later graph."""

from pathlib import Path

import torch
from neptuneml_toolkit.graphloader import GraphLoader
from neptuneml_toolkit.transform import (
    get_transform_config,
    normalize_hyperparameter_keys,
    save_node_prediction_model_artifacts,
)
from network import Network, inputs


def main() -> None:
    data, model, _, given = get_transform_config()
    params = normalize_hyperparameter_keys(given)
    loader = GraphLoader(data)
    label = params["target_ntype"]
    rows = inputs(loader.graph, label)
    network = Network(rows.shape[1], params["hidden_size"], len(loader.label_map[label]))
    network.load_state_dict(torch.load(Path(model) / "model.pt", weights_only=True)["model_state_dict"])
    with torch.no_grad():
        embeddings, scores = network(rows)
    save_node_prediction_model_artifacts(model, scores.softmax(1), loader, params, embeddings)


if __name__ == "__main__":
    main()
