"""Models that scripts build on."""

from .decoders import DistmultDecoder, DotProductDecoder, GraphDistmultDecoder, GraphDotProductDecoder
from .embedding import NodeEmbedding
from .encoders import HANEncoder, RGATEncoder, RGCNEncoder
from .mlp import MLP, MLPFeatureTransformer
from .propagation import LabelPropagation

__all__ = [
    "MLP",
    "DistmultDecoder",
    "DotProductDecoder",
    "GraphDistmultDecoder",
    "GraphDotProductDecoder",
    "HANEncoder",
    "LabelPropagation",
    "MLPFeatureTransformer",
    "NodeEmbedding",
    "RGATEncoder",
    "RGCNEncoder",
]
