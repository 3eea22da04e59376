"""The two AdamWs that vectune is compared with."""

import torch
from transformers.trainer_pt_utils import get_parameter_names


class AdamWithoutBiasCorrection(torch.optim.Optimizer):
    """transformers' former AdamW(correct_bias=False, weight_decay=0): p -= lr * m / (sqrt(v) + eps)."""

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-6):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
                state["m"].mul_(beta1).add_(p.grad, alpha=1 - beta1)
                state["v"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                p.addcdiv_(state["m"], state["v"].sqrt().add_(group["eps"]), value=-group["lr"])


def notebook_adamw(model, lr):
    """vectune's preset 'notebook'."""
    return AdamWithoutBiasCorrection(model.parameters(), lr=lr)


def torch_adamw(model, lr, weight_decay):
    """torch.optim.AdamW with the Hugging Face Trainer's groups: no decay of biases and layer norms."""
    forbidden = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]
    decayed = set(get_parameter_names(model, [torch.nn.LayerNorm], forbidden))
    groups = [
        {"params": [p for n, p in model.named_parameters() if n in decayed], "weight_decay": weight_decay},
        {"params": [p for n, p in model.named_parameters() if n not in decayed], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.999), eps=1e-8)
