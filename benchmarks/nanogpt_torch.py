"""nanoGPT's model and its optimizer (Karpathy, 2022), written again for comparisons.

https://github.com/karpathy/nanoGPT: a GPT-2 with pre-norm and without biases, attention
by torch's fused kernel, output weights tied to the embedding.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, -1).transpose(1, 2)
            for part in self.qkv(x).split(width, dim=2)
        )
        rate = self.rate if self.training else 0.0
        y = functional.scaled_dot_product_attention(
            q, k, v, dropout_p=rate, is_causal=True
        )
        return self.dropout(self.output(y.transpose(1, 2).reshape(x.shape)))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, bias=False)
        self.attention = Attention(width, heads, dropout)
        self.feed_forward_norm = nn.LayerNorm(width, bias=False)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width, bias=False),
            nn.GELU(),
            nn.Linear(4 * width, width, bias=False),
            nn.Dropout(dropout),
        )

    def forward(self, x):
        x = x + self.attention(self.attention_norm(x))
        return x + self.feed_forward(self.feed_forward_norm(x))


class GPT(nn.Module):
    """Ids [batch, length] -> logits [batch, length, vocabulary]."""

    def __init__(
        self,
        vocabulary: int,
        layers: int,
        width: int,
        heads: int,
        context: int,
        dropout: float,
    ):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(
            *(Block(width, heads, dropout) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(width, bias=False)
        self.logits = nn.Linear(width, vocabulary, bias=False)
        self.logits.weight = self.tokens.weight
        for name, weight in self.named_parameters():
            if weight.dim() >= 2:
                last = name.endswith(("output.weight", "feed_forward.2.weight"))
                scale = math.sqrt(2 * layers) if last else 1.0
                nn.init.normal_(weight, std=0.02 / scale)

    def forward(self, ids):
        positions = torch.arange(ids.shape[1])
        x = self.dropout(self.tokens(ids) + self.positions(positions))
        return self.logits(self.norm(self.blocks(x)))


def optimizer_for(model: nn.Module, rate: float, decay: float = 0.1):
    """AdamW with nanoGPT's betas, whose decay is for matrices alone."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99))


def train_step(model: nn.Module, optimizer, ids, labels, rate: float) -> None:
    """One update at a rate, gradients clipped to a norm of 1."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = functional.cross_entropy(model(ids).flatten(0, 1), labels.flatten())
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
