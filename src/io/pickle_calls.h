/// \file
/// The calls that a pickle of torch.save makes, done here without Python. Torch-free.
#pragma once

#include <string>
#include <vector>

#include "io/pickle_reader.h"

namespace msae::io::pickle {

/// Throws msae::IoError "<file>: its pickle <what>".
struct Refuse {
  std::string file;
  [[noreturn]] void operator()(const std::string& what) const;
};

/// A name from a pickle, for messages: shortened where it is long.
std::string named(const std::string& text);

/// Whether a pickle may name it.
bool is_known(const std::string& global);

/// The class of a storage in the module torch, "FloatStorage" for "F32"; empty for a dtype that has none.
std::string storage_type(const std::string& dtype);

/// What calling `function` gives.
Value call(const Global& function, const std::vector<Reference>& arguments, const Refuse& refuse);

/// Sets an object's state, as numpy.dtype has one; that of an OrderedDict is passed over.
void set_state(Value& object, const Value& state, const Refuse& refuse);

/// The storage that a persistent id names: ("storage", its type, key, device, elements).
Storage storage(const Value& id, const Refuse& refuse);

}  // namespace msae::io::pickle
