#include "msae/eval/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "msae/core/error.h"
#include "support/error_of.h"
#include "support/golden.h"
#include "support/tensors.h"
#include "support/threads.h"

namespace msae::eval {
namespace {

using test::comparison;
using testing::HasSubstr;

torch::Tensor golden(const std::string& name) {
  return comparison("probe/" + name);
}
torch::Tensor golden_labels() {
  return golden("labels").to(torch::kInt64);
}

LinearProbe stored_probe(const std::string& name) {
  return {golden(name + "/weight"), golden(name + "/bias")};
}

/// The dense reconstruction of the stored model.
torch::Tensor reconstruction(const torch::Tensor& x) {
  const auto pre = (x - golden("model/pre_bias")).mm(golden("model/encoder")) + golden("model/latent_bias");
  return pre.relu().mm(golden("model/decoder")) + golden("model/pre_bias");
}

/// Mean cross-entropy, in the plainest words.
torch::Tensor cross_entropy(const torch::Tensor& weight, const torch::Tensor& bias, const torch::Tensor& x,
                            const torch::Tensor& labels) {
  const auto logits = (x / x.norm(2, 1, true)).mm(weight.t()) + bias;
  return (logits.logsumexp(1) - logits.gather(1, labels.unsqueeze(1)).squeeze(1)).mean();
}

torch::Tensor penalised(const LinearProbe& probe, const torch::Tensor& x, const torch::Tensor& labels,
                        double l2) {
  return cross_entropy(probe.weight, probe.bias, x, labels) +
         (probe.weight.square().sum() + probe.bias.square().sum()) * (l2 / 2);
}

/// The published training loop of the probe, in float64.
class AdamW {
 public:
  explicit AdamW(const LinearProbe& start) : parameters_{start.weight.clone(), start.bias.clone()} {
    for (auto& parameter : parameters_) {
      parameter.requires_grad_();
      first_.push_back(torch::zeros_like(parameter));
      second_.push_back(torch::zeros_like(parameter));
    }
  }

  double step(const torch::Tensor& x, const torch::Tensor& labels) {
    const auto loss = cross_entropy(parameters_[0], parameters_[1], x, labels);
    loss.backward();
    ++steps_;
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < 2; ++i) {
      const auto gradient = parameters_[i].grad();
      first_[i] = first_[i] * 0.9 + gradient * (1 - 0.9);
      second_[i] = second_[i] * 0.999 + gradient.square() * (1 - 0.999);
      const auto size = (second_[i] / (1 - std::pow(0.999, steps_))).sqrt() + 1e-8;
      parameters_[i] *= 1 - 1e-3 * 0.01;
      parameters_[i] -= first_[i] / (1 - std::pow(0.9, steps_)) / size * 1e-3;
      parameters_[i].mutable_grad() = torch::Tensor();
    }
    return loss.item<double>();
  }

  LinearProbe probe() const { return {parameters_[0].detach(), parameters_[1].detach()}; }

 private:
  std::vector<torch::Tensor> parameters_, first_, second_;
  double steps_ = 0;
};

LinearProbe published_training(std::vector<double>& losses) {
  const auto x = golden("x"), labels = golden_labels(), order = golden("order").to(torch::kInt64);
  AdamW adam(stored_probe("initial"));
  for (std::int64_t epoch = 0; epoch < order.size(0); ++epoch) {
    for (std::int64_t first = 0; first < order.size(1); first += 64) {
      const auto batch = order[epoch].slice(0, first, first + 64);
      losses.push_back(adam.step(x.index_select(0, batch), labels.index_select(0, batch)));
    }
  }
  return adam.probe();
}

TEST(Probe, AgreesAsThePublishedOneDoes) {
  const auto x = golden("x_eval"), again = reconstruction(x);
  for (const std::string name : {"final", "sharp"}) {
    const auto probe = stored_probe(name);
    const auto kl = golden(name + "/kl_rows"), agree = golden(name + "/agree_rows");
    for (std::int64_t row = 0; row < x.size(0); ++row) {
      const auto found = compare(probe, x.slice(0, row, row + 1), again.slice(0, row, row + 1));
      EXPECT_NEAR(found.kl, kl[row].item<double>(), 1e-6) << name << row;
      EXPECT_EQ(found.agreement, agree[row].item<double>()) << name << row;
    }
    const auto all = compare(probe, x, again, golden("labels_eval").to(torch::kInt32));
    EXPECT_NEAR(all.kl, kl.mean().item<double>(), 1e-6);
    EXPECT_NEAR(all.agreement, agree.mean().item<double>(), 1e-12);
    const auto hits = probe.predict(x).eq(golden("labels_eval")).to(torch::kFloat64).mean();
    EXPECT_NEAR(all.accuracy, hits.item<double>(), 1e-12);
  }
  EXPECT_TRUE(stored_probe("sharp").predict(x).equal(golden("sharp/predictions_eval").to(torch::kInt64)));
}

TEST(Probe, LossesOfThePublishedTrainingAreThoseOfItsFormula) {
  std::vector<double> losses;
  const auto trained = published_training(losses);
  EXPECT_CLOSE(torch::tensor(losses, torch::kFloat64), golden("losses"), 1e-6);
  EXPECT_CLOSE(trained.weight, golden("final/weight"), 1e-5);
}

TEST(FitProbe, ReachesTheOptimum) {
  const auto x = golden("x"), labels = golden_labels();
  for (const double l2 : {1e-2, 1e-4, 1e-6}) {
    auto probe = fit_probe(x, labels, {.l2 = l2});
    probe.weight.requires_grad_();
    probe.bias.requires_grad_();
    const auto loss = penalised(probe, x, labels, l2);
    loss.backward();
    EXPECT_LE(probe.weight.grad().abs().max().item<double>(), 2e-7) << l2;
    EXPECT_LE(probe.bias.grad().abs().max().item<double>(), 2e-7) << l2;
    EXPECT_LT(loss.item<double>(), penalised(stored_probe("final"), x, labels, l2).item<double>());
  }
}

TEST(FitProbe, SeparatesWhatIsSeparable) {
  const auto labels = torch::arange(120).remainder(4);
  const auto centres = test::random({4, 10}, 1) * 3;
  const auto rows = centres.index_select(0, labels) + test::random({120, 10}, 2) * 0.1;
  for (const bool unit : {true, false}) {
    const auto probe = fit_probe(rows, labels, {.unit_rows = unit});
    EXPECT_TRUE(probe.predict(rows).equal(labels));
    EXPECT_TRUE(probe.predict(rows * 5).equal(labels) || !unit);
    const auto same = compare(probe, rows, rows, labels);
    EXPECT_EQ(same.rows, 120);
    EXPECT_EQ(same.kl, 0);
    EXPECT_EQ(same.agreement, 1);
    EXPECT_EQ(same.accuracy, 1);
    EXPECT_EQ(same.reconstruction_accuracy, 1);
    EXPECT_LT(compare(probe, rows, rows.flip(0), labels).reconstruction_accuracy, 0.5);
  }
}

TEST(FitProbe, DoesNotDependOnOrderThreadsOrLabelType) {
  const auto x = golden("x"), labels = golden_labels();
  const auto probe = fit_probe(x, labels);
  const auto backwards = fit_probe(x.flip(0), labels.flip(0));
  EXPECT_CLOSE(backwards.weight, probe.weight, 1e-4);
  EXPECT_CLOSE(fit_probe(x, labels.to(torch::kUInt8)).weight, probe.weight, 1e-12);
  EXPECT_TRUE(fit_probe(x, labels).weight.equal(probe.weight));
  const test::Threads one(1);
  EXPECT_CLOSE(fit_probe(x, labels).weight, probe.weight, 1e-4);
}

TEST(FitProbe, TakesAwkwardClasses) {
  const auto rows = test::random({6, 3}, 1);
  const auto only = fit_probe(rows, torch::zeros({6}, torch::kInt64));
  EXPECT_EQ(only.weight.sizes(), (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(only.log_probabilities(rows).abs().max().item<double>(), 0);

  // Classes 0 and 3 to 19 have no rows; there are more classes than rows.
  const auto labels = torch::tensor({1, 2, 1, 2, 1, 1}, torch::kInt64);
  const auto wide = fit_probe(rows, labels, {.l2 = 1e-2, .classes = 20});
  EXPECT_EQ(wide.bias.size(0), 20);
  const auto p = wide.log_probabilities(rows).exp();
  EXPECT_TRUE(p.isfinite().all().item<bool>());
  EXPECT_NEAR(p.sum().item<double>(), 6, 1e-12);
  EXPECT_TRUE(wide.predict(rows).ge(1).logical_and(wide.predict(rows).le(2)).all().item<bool>());

  const auto zero = torch::zeros({1, 3});
  EXPECT_TRUE(wide.log_probabilities(zero).isfinite().all().item<bool>());
  EXPECT_EQ(fit_probe(rows.slice(0, 0, 1), labels.slice(0, 0, 1)).predict(rows).sum().item<std::int64_t>(),
            6);
}

TEST(ProbeComparison, GathersBatchesOfAnySize) {
  const auto x = golden("x_eval"), again = reconstruction(x),
             labels = golden("labels_eval").to(torch::kInt64);
  const auto whole = compare(stored_probe("sharp"), x, again, labels);
  for (const std::int64_t batch : {1, 7, 69}) {
    ProbeComparison gathered(stored_probe("sharp"));
    for (std::int64_t first = 0; first < 70; first += batch) {
      gathered.add(x.slice(0, first, first + batch), again.slice(0, first, first + batch),
                   labels.slice(0, first, first + batch));
    }
    const auto found = gathered.result();
    EXPECT_EQ(found.rows, 70);
    EXPECT_NEAR(found.kl, whole.kl, 1e-14);
    EXPECT_EQ(found.agreement, whole.agreement);
    EXPECT_EQ(found.accuracy, whole.accuracy);
    EXPECT_EQ(found.reconstruction_accuracy, whole.reconstruction_accuracy);
  }
}

TEST(ProbeComparison, HasNoValueWhereNothingWasCounted) {
  ProbeComparison gathered(stored_probe("final"));
  EXPECT_TRUE(std::isnan(gathered.result().kl));
  EXPECT_TRUE(std::isnan(gathered.result().agreement));
  gathered.add(golden("x_eval"), golden("x_eval"));
  EXPECT_EQ(gathered.result().kl, 0);
  EXPECT_TRUE(std::isnan(gathered.result().accuracy));
}

TEST(ProbeComparison, KnowsTheDivergenceOfCertainClasses) {
  LinearProbe probe{torch::tensor({{1000.0, 0.0}, {0.0, 1000.0}}, torch::kFloat64),
                    torch::zeros({2}, torch::kFloat64)};
  const auto rows = torch::eye(2, torch::kFloat64);
  const auto found = compare(probe, rows, rows.flip(0));
  EXPECT_NEAR(found.kl, 1000, 1e-9) << "log p is -1000 where p is zero to the last digit";
  EXPECT_EQ(found.agreement, 0);
}

TEST(Probe, RefusesWhatDoesNotFit) {
  const auto rows = test::random({4, 3}, 1);
  const auto labels = torch::tensor({0, 1, 1, 0}, torch::kInt64);
  const auto refusal = [&](const torch::Tensor& x, const torch::Tensor& y, const ProbeOptions& options = {}) {
    return test::error_of([&] { fit_probe(x, y, options); });
  };
  EXPECT_THAT(refusal(rows * NAN, labels), HasSubstr("NaN"));
  EXPECT_THAT(refusal(rows[0], labels), HasSubstr("[3]"));
  EXPECT_THAT(refusal(rows.slice(0, 0, 0), labels.slice(0, 0, 0)), HasSubstr("at least one row"));
  EXPECT_THAT(refusal(rows, labels.slice(0, 1)), HasSubstr("each of 4 rows, got [3]"));
  EXPECT_THAT(refusal(rows, labels.to(torch::kFloat32)), HasSubstr("integer label"));
  EXPECT_THAT(refusal(rows, labels - 1), HasSubstr("negative, got -1"));
  EXPECT_THAT(refusal(rows, labels, {.classes = 1}), HasSubstr("label 1 is not below the 1 classes"));
  EXPECT_THAT(refusal(rows, labels * (std::int64_t{1} << 50)), HasSubstr("of memory"));
  EXPECT_THAT(refusal(rows, labels, {.l2 = 0}), HasSubstr("l2: must be a positive number, not 0"));
  EXPECT_THAT(refusal(rows, labels, {.l2 = NAN}), HasSubstr("l2: "));
  EXPECT_THAT(refusal(rows, labels, {.classes = -1}), HasSubstr("classes: "));
  EXPECT_THAT(refusal(rows, labels, {.iterations = 0}), HasSubstr("iterations: "));
  EXPECT_THAT(refusal(rows, labels, {.tolerance = 0}), HasSubstr("tolerance: "));

  const auto probe = fit_probe(rows, labels);
  EXPECT_THROW(compare(probe, rows, rows.slice(0, 1)), c10::Error);
  EXPECT_THROW(compare(probe, rows, rows * INFINITY), c10::Error);
  EXPECT_THROW(compare(probe, rows, rows, labels + 1), c10::Error);
  EXPECT_THROW(probe.predict(test::random({4, 2}, 1)), c10::Error);
}

}  // namespace
}  // namespace msae::eval
