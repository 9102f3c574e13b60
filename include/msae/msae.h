/// \file
/// Everything at once. Prefer the single headers in larger projects: those of data compile
/// without LibTorch.
#pragma once

#include "msae/concepts/attribute.h"
#include "msae/concepts/bias.h"
#include "msae/concepts/codes.h"
#include "msae/concepts/hierarchy.h"
#include "msae/concepts/names.h"
#include "msae/concepts/naming.h"
#include "msae/concepts/profile.h"
#include "msae/concepts/search.h"
#include "msae/concepts/steering.h"
#include "msae/concepts/vocabulary.h"
#include "msae/core/device.h"
#include "msae/core/error.h"
#include "msae/core/export.h"
#include "msae/core/log.h"
#include "msae/core/memory.h"
#include "msae/core/version.h"
#include "msae/data/batch_loader.h"
#include "msae/data/geometric_median.h"
#include "msae/data/labels.h"
#include "msae/data/listing.h"
#include "msae/data/source.h"
#include "msae/data/statistics.h"
#include "msae/data/synthetic.h"
#include "msae/data/views.h"
#include "msae/eval/activity.h"
#include "msae/eval/alignment.h"
#include "msae/eval/cknna.h"
#include "msae/eval/cosine.h"
#include "msae/eval/evaluator.h"
#include "msae/eval/fvu.h"
#include "msae/eval/metrics.h"
#include "msae/eval/monosemanticity.h"
#include "msae/eval/nmae.h"
#include "msae/eval/orthogonality.h"
#include "msae/eval/pareto.h"
#include "msae/eval/probe.h"
#include "msae/eval/progressive.h"
#include "msae/eval/recovery.h"
#include "msae/io/exchange.h"
#include "msae/io/latents.h"
#include "msae/io/model_folder.h"
#include "msae/models/activation.h"
#include "msae/models/coding.h"
#include "msae/models/model_options.h"
#include "msae/models/operating_point.h"
#include "msae/models/sparse_autoencoder.h"
#include "msae/ops/jump_relu.h"
#include "msae/ops/losses.h"
#include "msae/ops/nested_decode.h"
#include "msae/ops/nested_topk.h"
#include "msae/ops/selection.h"
#include "msae/train/engine.h"
#include "msae/train/options.h"
#include "msae/train/trainer.h"

/// Sparse autoencoders on precomputed embeddings. A floor of the library is a namespace and a folder of
/// headers. For a newcomer, in this order: msae::models, msae::data, msae::train, msae::eval, msae::concepts,
/// msae::io; below
/// them msae::ops, the differentiable functions a network of your own may use. What is in msae itself serves
/// them all: errors, the choice of a device, questions of memory.
///
/// Shapes are written in [brackets]: [rows, dim] has an embedding per row. Raw embeddings are as the file
/// holds them; model space is where they are centred and scaled, see models::SparseAutoencoder.
///
/// Wrong options throw std::invalid_argument, naming the field and the value; tensors of the wrong shape
/// c10::Error; everything else msae::Error or, about files, msae::IoError. Where nothing is said of threads,
/// an object is one thread's at a time.
namespace msae {

/// What a model is: SparseAutoencoder, and the kinds of models::Activation. A model carries mean and scale of
/// its training data, so that encode() takes raw embeddings and decode() gives them back.
///
/// ```cpp
/// using namespace msae::models;
/// SparseAutoencoder sae({.dim = 512, .latents = 4096, .activation = Matryoshka{.levels = {16, 64, 256}}});
/// const auto latents = sae.encode(embeddings, OperatingPoint::top(32));  // [rows, 512] -> [rows, 4096]
/// const auto again = sae.decode(latents);                             // [rows, 4096] -> [rows, 512]
/// ```
namespace models {}

/// Where embeddings come from: open() a file, take a tensor's values in_memory(), or draw a
/// SyntheticHierarchy, whose truth is known. None of these headers needs LibTorch.
///
/// ```cpp
/// const auto rows = msae::data::open("clip.h5:/train");
/// std::vector<float> first(10 * rows->dim());
/// rows->read(0, 10, first);
/// ```
namespace data {}

/// Trainer is the loop: epochs, schedule, logging, checkpoints, resume. An Engine is the arithmetic of one
/// step, and training_loss() what it minimises, for a loop of your own.
///
/// ```cpp
/// msae::train::Trainer trainer(sae, {.batch_size = 4096, .epochs = 30});
/// trainer.on_progress([](const auto& p) { std::cerr << p.step << " of " << p.steps << " steps\n"; });
/// trainer.fit(*rows, {.folder = "run"});
/// ```
namespace train {}

/// Where a model stands between sparsity and reconstruction: evaluate() for all of its operating points in
/// one streaming pass, and the single metrics.
///
/// ```cpp
/// for (const auto& point : msae::eval::evaluate(sae, *test, {.k = {8, 32, 128}}).points) {
///   std::cout << point.label << ": " << point.active << " active, FVU " << point.fvu << "\n";
/// }
/// ```
namespace eval {}

/// What the latents stand for: names from a Vocabulary, the rows that have them, which are special cases of
/// which, search by them, rows steered by them, and what tells groups of rows apart.
///
/// ```cpp
/// const auto words = msae::concepts::read_vocabulary("words.h5:/embeddings", "words.h5:/words");
/// const auto naming = msae::concepts::name_latents(sae.decoder, words);
/// const auto codes = msae::concepts::encode(sae, *rows, msae::concepts::usual_point(sae));
/// const msae::concepts::LatentIndex index(codes);
/// for (const auto& hit : index.search(msae::concepts::query_of(codes, 17), 10)) std::cout << hit.row <<
/// "\n";
/// ```
namespace concepts {}

/// Models as folders, which the Python package SAELens opens too.
///
/// ```cpp
/// msae::io::save(sae, "run");
/// const auto model = msae::io::load("run");
/// ```
namespace io {}

/// Differentiable functions on tensors: the choice of latents, the reconstructions of all nesting levels at
/// once, and losses. A selection counts as a constant of the gradient.
///
/// ```cpp
/// const auto level = msae::ops::nested_levels(pre, {16, 64, 256});           // [rows, latents], 0 to 3
/// const auto out = msae::ops::nested_decode(pre.relu(), level, decoder, 3);  // [3, rows, dim]
/// const auto same = msae::ops::nested_topk(pre, decoder, {16, 64, 256});     // both at once, faster
/// const auto loss = msae::ops::nmse(out, input).mean();
/// ```
namespace ops {}

/// Where the library's few messages go.
namespace log {}

}  // namespace msae
