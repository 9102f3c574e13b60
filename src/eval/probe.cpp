#include "msae/eval/probe.h"

#include <torch/optim/lbfgs.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "eval/unit_rows.h"
#include "msae/core/memory.h"

namespace msae::eval {
namespace {

void require_positive(const char* field, double value) {
  if (value > 0 && std::isfinite(value)) return;
  throw std::invalid_argument(std::string(field) + ": must be a positive number, not " +
                              std::to_string(value));
}

void check_embeddings(const torch::Tensor& rows, std::int64_t dim) {
  TORCH_CHECK(rows.dim() == 2 && rows.size(1) == dim && rows.is_floating_point(),
              "probe: expected a floating-point [rows, ", dim, "], got ", rows.sizes(), " of ",
              rows.scalar_type());
  TORCH_CHECK(rows.isfinite().all().item<bool>(), "probe: the rows hold NaN or Inf");
}

/// Labels as int64 on the rows' device. \param classes 0: any number
torch::Tensor checked_labels(const torch::Tensor& labels, const torch::Tensor& rows, std::int64_t classes) {
  TORCH_CHECK(labels.dim() == 1 && labels.size(0) == rows.size(0) &&
                  c10::isIntegralType(labels.scalar_type(), /*includeBool=*/false),
              "probe: expected an integer label for each of ", rows.size(0), " rows, got ", labels.sizes(),
              " of ", labels.scalar_type());
  auto wide = labels.to(rows.device(), torch::kInt64);
  if (wide.numel() == 0) return wide;
  const auto least = wide.min().item<std::int64_t>(), most = wide.max().item<std::int64_t>();
  TORCH_CHECK(least >= 0, "probe: labels must not be negative, got ", least);
  TORCH_CHECK(classes == 0 || most < classes, "probe: label ", most, " is not below the ", classes,
              " classes");
  return wide;
}

/// Rows as the probe sees them, with a last column of ones: the bias is one weight more.
torch::Tensor inputs(const torch::Tensor& rows, bool unit) {
  const auto wide = unit ? unit_rows(rows) : rows.to(torch::kFloat64);
  return torch::cat({wide, torch::ones({rows.size(0), 1}, wide.options())}, 1);
}

/// Mean cross-entropy and penalty at `weight` [classes, dim + 1], whose gradient it sets.
torch::Tensor loss(torch::Tensor& weight, const torch::Tensor& x, const torch::Tensor& labels, double l2) {
  const auto log_probabilities = x.mm(weight.t()).log_softmax(1);
  const auto own = labels.unsqueeze(1);
  auto excess = log_probabilities.exp();
  excess.scatter_add_(1, own, torch::full_like(own, -1, excess.options()));
  weight.mutable_grad() = excess.t().mm(x) / x.size(0) + l2 * weight;
  return weight.square().sum() * (l2 / 2) - log_probabilities.gather(1, own).mean();
}

constexpr std::int64_t history = 20;

/// A label that is no label may ask for billions of classes.
void require_solver_memory(const torch::Tensor& rows, std::int64_t classes) {
  const auto wide = static_cast<std::uint64_t>(rows.size(1)) + 1, count = static_cast<std::uint64_t>(classes);
  const auto values =
      saturating_product(count, 2 * history * wide + 3 * static_cast<std::uint64_t>(rows.size(0)));
  require_memory(saturating_product(values, sizeof(double)),
                 "a probe of " + std::to_string(classes) + " classes");
}

std::int64_t count_equal(const torch::Tensor& a, const torch::Tensor& b) {
  return a.eq(b).sum().item<std::int64_t>();
}

double share(double part, std::int64_t whole) {
  return whole > 0 ? part / static_cast<double>(whole) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

void ProbeOptions::validate() const {
  require_positive("l2", l2);
  require_positive("tolerance", tolerance);
  if (classes < 0)
    throw std::invalid_argument("classes: must not be negative, not " + std::to_string(classes));
  if (iterations < 1) {
    throw std::invalid_argument("iterations: must be at least 1, not " + std::to_string(iterations));
  }
}

torch::Tensor LinearProbe::log_probabilities(const torch::Tensor& rows) const {
  check_embeddings(rows, weight.size(1));
  const torch::NoGradGuard no_grad;
  const auto all = torch::cat({weight, bias.unsqueeze(1)}, 1).to(torch::kFloat64);
  return inputs(rows.to(weight.device()), unit_rows).mm(all.t()).log_softmax(1);
}

torch::Tensor LinearProbe::predict(const torch::Tensor& rows) const {
  return log_probabilities(rows).argmax(1);
}

LinearProbe fit_probe(const torch::Tensor& rows, const torch::Tensor& labels, const ProbeOptions& options) {
  options.validate();
  TORCH_CHECK(rows.dim() == 2 && rows.size(0) > 0, "probe: expected at least one row [rows, dim], got ",
              rows.sizes());
  check_embeddings(rows, rows.size(1));
  const auto known = checked_labels(labels, rows, options.classes);
  const auto classes = options.classes > 0 ? options.classes : known.max().item<std::int64_t>() + 1;
  require_solver_memory(rows, classes);
  const torch::NoGradGuard no_grad;
  const auto x = inputs(rows, options.unit_rows);
  auto weight = torch::zeros({classes, x.size(1)}, x.options());
  // Ends by the gradient alone: the loss stops changing long before the weights do.
  auto settings = torch::optim::LBFGSOptions(1.0)
                      .max_iter(options.iterations)
                      .max_eval(2 * options.iterations)
                      .tolerance_grad(options.tolerance)
                      .tolerance_change(0)
                      .history_size(history)
                      .line_search_fn("strong_wolfe");
  torch::optim::LBFGS solver({weight}, settings);
  solver.step([&] { return loss(weight, x, known, options.l2); });
  const auto dim = rows.size(1);
  return {weight.slice(1, 0, dim).clone(), weight.select(1, dim).clone(), options.unit_rows};
}

void ProbeComparison::add(const torch::Tensor& rows, const torch::Tensor& reconstruction,
                          const torch::Tensor& labels) {
  TORCH_CHECK(rows.sizes() == reconstruction.sizes(), "probe: expected two tensors of one shape, got ",
              rows.sizes(), " and ", reconstruction.sizes());
  const auto p = probe_.log_probabilities(rows), q = probe_.log_probabilities(reconstruction);
  const auto row_class = p.argmax(1), reconstruction_class = q.argmax(1);
  if (labels.defined()) {
    const auto known = checked_labels(labels, p, p.size(1));
    labelled_ += rows.size(0);
    correct_ += count_equal(row_class, known);
    reconstruction_correct_ += count_equal(reconstruction_class, known);
  }
  kl_ += (p.exp() * (p - q)).sum(1).clamp_min(0).sum().item<double>();
  agreed_ += count_equal(row_class, reconstruction_class);
  rows_ += rows.size(0);
}

ProbeAgreement ProbeComparison::result() const {
  return {.rows = rows_,
          .kl = share(kl_, rows_),
          .agreement = share(static_cast<double>(agreed_), rows_),
          .accuracy = share(static_cast<double>(correct_), labelled_),
          .reconstruction_accuracy = share(static_cast<double>(reconstruction_correct_), labelled_)};
}

ProbeAgreement compare(const LinearProbe& probe, const torch::Tensor& rows,
                       const torch::Tensor& reconstruction, const torch::Tensor& labels) {
  ProbeComparison comparison(probe);
  comparison.add(rows, reconstruction, labels);
  return comparison.result();
}

}  // namespace msae::eval
