"""What single quantisers do beside the contract of all."""

import copy

import pytest
import torch
from quantizer_makers import DIM, gradient, make, residual
from torch import distributed, multiprocessing
from torch.nn import functional as F

from latentone.nn.gradient_vq import GradientVQ
from latentone.nn.grouped import GroupedVQ
from latentone.nn.quantizer import CodeUse
from latentone.nn.split import SplitVQ


def test_health_in_closed_form():
    use = CodeUse((4, 2), decay=0.5)
    assert use.health()["perplexity"] == pytest.approx(3)  # (4 + 2) / 2 before any batch
    codes = torch.tensor([[[0, 0, 1, 1], [0, 0, 0, 0]]])
    use.update(use.count(codes))
    assert use.health()["perplexity"] == pytest.approx((2 + 1) / 2)
    assert use.health()["use"] == pytest.approx((1 / 2 + 1 / 2) / 2)
    use.update(use.count(torch.tensor([[[2, 2, 2, 2], [0, 0, 1, 1]]])))
    torch.testing.assert_close(use.uses, torch.tensor([0.25, 0.25, 0.5, 0.0, 0.75, 0.25]))
    entropy = torch.distributions.Categorical(use.uses[:4]).entropy().exp()
    other = torch.distributions.Categorical(use.uses[4:]).entropy().exp()
    torch.testing.assert_close(use.health()["perplexity"], (entropy + other) / 2)


@pytest.mark.slow  # the import
def test_one_gradient_codebook_equals_that_of_diffusers():
    diffusers = pytest.importorskip("diffusers.models.autoencoders.vae")
    theirs = diffusers.VectorQuantizer(16, DIM, beta=0.25, legacy=False)
    ours = gradient(kmeans_iterations=0)
    theirs.embedding.weight.data.copy_(ours.codebooks[0])
    x = torch.randn(2, DIM, 30, requires_grad=True)
    weights = torch.randn(2, DIM, 30)
    quantized, loss, (_, _, codes) = theirs(x[..., None])
    expected = torch.autograd.grad(
        (quantized[..., 0] * weights).sum() + loss, [x, theirs.embedding.weight]
    )
    out = ours.eval()(x)
    total = 0.25 * out.losses["commitment"] + out.losses["codebook"]
    got = torch.autograd.grad((out.latents * weights).sum() + total, [x, ours.codebooks[0]])
    assert torch.equal(out.codes.flatten(), codes.flatten())
    torch.testing.assert_close(out.latents, quantized[..., 0])
    torch.testing.assert_close(total, loss)
    for mine, other in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, other)


def test_gradient_codes_come_to_where_the_latents_are():
    torch.manual_seed(0)
    centres = 3 * torch.randn(12, DIM)
    quantizer = GradientVQ(12, DIM, kmeans_iterations=0, restart_below=0.0).train()
    quantizer.codebooks[0].data.copy_(centres + torch.randn_like(centres))
    optimizer = torch.optim.Adam(quantizer.parameters(), lr=0.05)
    for _ in range(150):
        rows = centres[torch.randint(12, (200,))] + 0.01 * torch.randn(200, DIM)
        out = quantizer(rows.T[None])
        optimizer.zero_grad()
        out.losses["codebook"].backward()
        optimizer.step()
    assert out.losses["commitment"] < 0.01
    torch.testing.assert_close(quantizer.codebooks[0].detach(), centres, atol=0.1, rtol=0)


def test_dead_gradient_codes_restart_where_the_batch_is():
    quantizer = gradient().train()
    quantizer.codebooks[0].data[3:] += 100
    latents = torch.randn(2, DIM, 50)
    quantizer.use.seen.fill_(True)  # or k-means would place the codes
    quantizer.use.uses.fill_(1 / 16)
    quantizer.use.uses[3:] = 0
    out = quantizer(latents, torch.Generator().manual_seed(0))
    assert out.metrics["restarted"] == 13
    rows = latents.transpose(1, 2).flatten(0, 1)
    assert all(bool((rows == code).all(1).any()) for code in quantizer.codebooks[0][3:])
    assert quantizer(latents).metrics["restarted"] == 0  # they have time to be found
    never = gradient(restart_below=0.0).train()
    never.use.seen.fill_(True)
    never.use.uses[3:] = 0
    assert never(latents).metrics["restarted"] == 0


def _restart(rank, folder, quantizer, latents):
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    quantizer = copy.deepcopy(quantizer)  # what comes from another process is shared memory
    quantizer(latents[rank : rank + 1], torch.Generator().manual_seed(rank))
    torch.save(quantizer.codebooks[0].detach(), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_dead_codes_restart_from_the_batches_of_all_processes(tmp_path):
    quantizer = gradient().train()
    quantizer.use.seen.fill_(True)
    quantizer.use.uses[4:] = 0
    latents = torch.randn(2, DIM, 50)
    args = (str(tmp_path), quantizer, latents)
    multiprocessing.start_processes(_restart, args, nprocs=2, start_method="spawn")
    codes = torch.load(tmp_path / "0.pt")[4:]
    assert torch.equal(codes, torch.load(tmp_path / "1.pt")[4:])
    sources = [(latents[rank].T == codes[:, None]).all(-1).any(-1) for rank in (0, 1)]
    assert torch.equal(sources[0], ~sources[1]) and sources[0].sum() == 6


def test_the_first_batch_places_gradient_codes():
    quantizer = GradientVQ(8, DIM, num_codebooks=2).train()
    out = quantizer(torch.randn(4, DIM, 50) + 20, torch.Generator().manual_seed(0))
    assert out.losses["commitment"] < 2  # codes are near 20, where the data is
    assert bool(quantizer.use.seen)


def test_normalized_codes_are_the_nearest_directions():
    quantizer = gradient(normalized=True).eval()
    quantizer.codebooks[0].data.mul_(torch.rand(16, 1) * 10)
    latents = torch.randn(2, DIM, 30)
    codes = quantizer.encode(latents)
    cosine = F.cosine_similarity(latents.transpose(1, 2)[:, :, None], quantizer.codebooks[0], -1)
    assert torch.equal(codes[:, 0], cosine.argmax(-1))
    assert torch.equal(quantizer.encode(7 * latents), codes)
    torch.testing.assert_close(
        quantizer.decode(codes).transpose(1, 2), quantizer.codebooks[0][codes[:, 0]]
    )


def test_groups_work_side_by_side_from_coarse_to_fine():
    quantizer = make("grouped").eval()
    latents = torch.randn(2, DIM, 9)
    codes = quantizer.encode(latents)
    halves = latents.chunk(2, 1)
    for i, group in enumerate(quantizer.groups):
        assert torch.equal(codes[:, i::2], group.encode(halves[i]))
    three = quantizer.decode(codes[:, :3])
    torch.testing.assert_close(three[:, :4], quantizer.groups[0].decode(codes[:, 0:3:2]))
    torch.testing.assert_close(three[:, 4:], quantizer.groups[1].decode(codes[:, 1:2]))
    assert not quantizer.decode(codes[:, :1])[:, 4:].any()
    with pytest.raises(ValueError, match="divide by 2 groups, got 7"):
        quantizer.encode(torch.randn(1, 7, 3))
    with pytest.raises(ValueError, match="as many code rows each"):
        GroupedVQ([residual(1, 4), residual(2, 4)])


def test_split_equals_mimi_in_transformers():
    mimi = pytest.importorskip("transformers.models.mimi.modeling_mimi")
    torch.manual_seed(0)
    config = mimi.MimiConfig(
        hidden_size=16,
        vector_quantization_hidden_dimension=6,
        codebook_dim=6,
        codebook_size=32,
        num_quantizers=5,
        num_semantic_quantizers=2,
    )
    theirs = mimi.MimiSplitResidualVectorQuantizer(config).eval()
    semantic, acoustic = residual(2, 6, 32), residual(3, 6, 32)
    ours = SplitVQ(semantic, acoustic, 16, 6).eval()
    sides = (
        (theirs.semantic_residual_vector_quantizer, semantic, ours.semantic_in, ours.semantic_out),
        (theirs.acoustic_residual_vector_quantizer, acoustic, ours.acoustic_in, ours.acoustic_out),
    )
    for side, chain, into, out in sides:
        into.weight.data.normal_()
        side.input_proj.load_state_dict(into.state_dict())
        side.output_proj.load_state_dict(out.state_dict())
        for layer, codebook in zip(side.layers, chain.codebooks, strict=True):
            layer.codebook.embed_sum.copy_(codebook.embed)
    latents = torch.randn(2, 16, 50)
    with torch.no_grad():
        codes = theirs.encode(latents).transpose(0, 1)
        assert torch.equal(ours.encode(latents), codes)
        assert len(codes.unique()) > 20
        for count in (2, 4, 5):
            torch.testing.assert_close(
                ours.decode(codes[:, :count]), theirs.decode(codes[:, :count])
            )
        assert torch.equal(ours.encode(latents, 3), codes[:, :3])


def test_codes_are_not_shared_with_a_copy():
    quantizer = make("gradient").train()
    trained = copy.deepcopy(quantizer)
    trained(torch.randn(2, DIM, 30))
    assert not bool(quantizer.use.seen) and bool(trained.use.seen)
