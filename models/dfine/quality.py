"""The localisation-quality estimator and the distribution integral of the FDR decoder, without TOPK."""

from __future__ import annotations

import torch
from torch import nn

from models.dfine.top_k import iterated_maximum


class LocationQuality(nn.Module):
    """Same as a transformers `DFineLQE`: corner distributions [1, Q, 4*bins] -> a score offset [1, Q, 1]."""

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.count = original.top_prob_values
        self.bins = original.max_num_bins + 1
        self.head = original.reg_conf

    def forward(self, corners: torch.Tensor) -> torch.Tensor:
        queries = corners.shape[1]
        probabilities = torch.softmax(corners.reshape(1, queries, 4, self.bins), dim=-1)
        highest = iterated_maximum(probabilities, self.count)
        statistics = torch.cat([highest, highest.mean(dim=-1, keepdim=True)], dim=-1)
        return self.head(statistics.reshape(1, queries, 4 * (self.count + 1)))


class Integral(nn.Module):
    """Same as `DFineIntegral` with its weighting function baked: [1, Q, 4*bins] -> expected distances [1, Q, 4]."""

    def __init__(self, project: torch.Tensor) -> None:
        """project: [bins], the value of each bin."""
        super().__init__()
        self.project = nn.Buffer(project.detach().reshape(-1, 1).clone())

    def forward(self, corners: torch.Tensor) -> torch.Tensor:
        queries, bins = corners.shape[1], self.project.shape[0]
        probabilities = torch.softmax(corners.reshape(1, queries * 4, bins), dim=-1)
        return (probabilities @ self.project).reshape(1, queries, 4)
