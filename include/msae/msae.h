/// \file
/// Everything at once. Prefer the single headers in larger projects: those of data compile
/// without LibTorch.
#pragma once

#include "msae/core/device.h"
#include "msae/core/error.h"
#include "msae/core/export.h"
#include "msae/core/log.h"
#include "msae/core/memory.h"
#include "msae/core/version.h"
#include "msae/data/batch_loader.h"
#include "msae/data/listing.h"
#include "msae/data/source.h"
#include "msae/data/statistics.h"
#include "msae/data/synthetic.h"
#include "msae/eval/evaluator.h"
#include "msae/eval/metrics.h"
#include "msae/io/model_folder.h"
#include "msae/models/activation.h"
#include "msae/models/sparse_autoencoder.h"
#include "msae/ops/losses.h"
#include "msae/ops/nested_decode.h"
#include "msae/ops/selection.h"
#include "msae/train/engine.h"
#include "msae/train/options.h"
#include "msae/train/trainer.h"
