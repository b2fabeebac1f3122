"""The training entry point: called once per trial, with a flag per hyperparameter."""

import argparse
from pathlib import Path

import torch
from neptuneml_toolkit.graphloader import GraphLoader
from neptuneml_toolkit.metrics import save_eval_metrics
from neptuneml_toolkit.train import get_node_labels, get_train_nids, get_training_config, get_valid_nids
from network import Network, inputs
from torch.nn import functional


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("name", "model", "task", "target_ntype", "property"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--hidden-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--epochs", type=int, default=60)
    args = parser.parse_args()

    torch.manual_seed(0)
    data, output, _ = get_training_config()
    loader = GraphLoader(data)
    graph, label = loader.graph, args.target_ntype
    rows, labels = inputs(graph, label), get_node_labels(graph, label)
    train, valid = get_train_nids(graph, label), get_valid_nids(graph, label)
    network = Network(rows.shape[1], args.hidden_size, len(loader.label_map[label]))
    optimizer = torch.optim.Adam(network.parameters(), lr=args.lr)
    accuracy = 0.0
    for _epoch in range(args.epochs):
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(rows[train])[1], labels[train])
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            accuracy = (network(rows[valid])[1].argmax(1) == labels[valid]).float().mean().item()
        print(f"loss={loss.item():.4f} valid_accuracy={accuracy:.4f}")
    torch.save({"model_state_dict": network.state_dict()}, Path(output) / "model.pt")
    save_eval_metrics({"accuracy": accuracy}, output)


if __name__ == "__main__":
    main()
