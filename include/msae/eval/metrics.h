/// \file
/// All metrics of tensors at once, each of which has a header of its own.
#pragma once

#include "msae/eval/activity.h"
#include "msae/eval/cknna.h"
#include "msae/eval/cosine.h"
#include "msae/eval/fvu.h"
#include "msae/eval/monosemanticity.h"
#include "msae/eval/nmae.h"
#include "msae/eval/orthogonality.h"
#include "msae/eval/recovery.h"
