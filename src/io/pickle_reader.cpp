#include "io/pickle_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <unordered_map>

#include "io/byte_reader.h"
#include "io/pickle_calls.h"
#include "msae/core/error.h"

namespace msae::io::pickle {
namespace {

double from_big_endian(std::string_view bytes) {
  std::array<char, 8> reversed{};
  std::reverse_copy(bytes.begin(), bytes.end(), reversed.begin());
  return std::bit_cast<double>(reversed);
}

}  // namespace

/// Pickle's stack machine. A value that was made is never moved, so that others can refer to it.
class Machine {
 public:
  Machine(std::string_view text, const std::string& file, const Limits& limits, Pickle& pickle)
      : in_(text, file + ": its pickle"), refuse_{file}, limits_(limits), pickle_(pickle) {}

  void run() {
    if (in_.number<std::uint8_t>() != proto) refuse_("does not begin as one");
    const auto protocol = in_.number<std::uint8_t>();
    if (protocol != 2) {
      refuse_("is of protocol " + std::to_string(protocol) +
              ", but torch.save's default, 2, is all that can " + "be read");
    }
    for (auto opcode = in_.number<std::uint8_t>(); opcode != stop; opcode = in_.number<std::uint8_t>()) {
      if (!push_constant(opcode) && !memorise(opcode) && !collect(opcode) && !build(opcode)) unknown(opcode);
    }
    if (!marks_.empty() || stack_.size() != 1) refuse_("ends in the middle of a value");
    pickle_.root_ = stack_[0];
  }

 private:
  static constexpr std::uint8_t proto = 0x80, stop = '.';

  [[noreturn]] void unknown(std::uint8_t opcode) const {
    refuse_("has the opcode " + std::to_string(opcode) +
            ", which no checkpoint needs: it is damaged, or not a " + "dict of tensors");
  }

  static std::size_t text_bytes(const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value.is)) return text->size();
    if (const auto* bytes = std::get_if<Bytes>(&value.is)) return bytes->data.size();
    if (const auto* storage = std::get_if<Storage>(&value.is)) return storage->key.size();
    if (const auto* view = std::get_if<TensorView>(&value.is)) return view->storage.key.size();
    const auto* type = std::get_if<NumpyType>(&value.is);
    return type ? type->code.size() : 0;
  }

  Value* make(Value value) {
    if (pickle_.values_.size() >= limits_.values) {
      refuse_("holds more than " + std::to_string(limits_.values) + " values");
    }
    text_ += text_bytes(value);  // calls copy what they are given, once for each byte or two of the pickle
    if (text_ > limits_.text) refuse_("holds more text than " + std::to_string(limits_.text) + " bytes");
    pickle_.values_.push_back(std::move(value));
    return &pickle_.values_.back();
  }

  bool push(Value* value) {
    if (stack_.size() >= limits_.values) refuse_("holds too many values");
    stack_.push_back(value);
    return true;
  }
  bool push(Value value) { return push(make(std::move(value))); }

  Value* pop() {
    const std::size_t bottom = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() <= bottom) refuse_("takes a value that is not there");
    auto* top = stack_.back();
    stack_.pop_back();
    return top;
  }

  Value* top() {
    auto* value = pop();
    stack_.push_back(value);
    return value;
  }

  // The values since the last mark, which goes.
  std::vector<Reference> pop_to_mark() {
    if (marks_.empty()) refuse_("ends a container that was not begun");
    std::vector<Reference> values(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return values;
  }

  std::vector<Reference> pop_several(std::size_t count) {
    std::vector<Reference> values(count);
    for (auto i = count; i > 0; --i) values[i - 1] = pop();
    return values;
  }

  std::string text() { return std::string(in_.take(in_.number<std::uint32_t>())); }

  bool push_constant(std::uint8_t opcode) {
    switch (opcode) {
      case 'N':
        return push({None{}});
      case 0x88:
      case 0x89:
        return push({opcode == 0x88});
      case 'J':
        return push({std::int64_t{in_.number<std::int32_t>()}});
      case 'K':
        return push({std::int64_t{in_.number<std::uint8_t>()}});
      case 'M':
        return push({std::int64_t{in_.number<std::uint16_t>()}});
      case 0x8a:
        return push({long_integer()});
      case 'G':
        return push({from_big_endian(in_.take(8))});
      case 'X':
        return push({text()});
      case 'c':
        return push({global()});
      default:
        return false;
    }
  }

  // Two's complement of any length.
  std::int64_t long_integer() {
    const auto bytes = in_.take(in_.number<std::uint8_t>());
    if (bytes.size() > 8) refuse_("holds a whole number beyond 64 bits");
    std::uint64_t bits = !bytes.empty() && static_cast<unsigned char>(bytes.back()) >= 0x80 ? ~0ull : 0;
    for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
      bits = bits << 8 | static_cast<unsigned char>(*byte);
    }
    return static_cast<std::int64_t>(bits);
  }

  Global global() {
    const std::string module(in_.line());
    const auto name = module + "." + std::string(in_.line());
    if (!is_known(name)) {
      refuse_("names " + named(name) + ", which no checkpoint needs; nothing of it was run");
    }
    return {name};
  }

  bool memorise(std::uint8_t opcode) {
    switch (opcode) {
      case 'q':
        memo_[in_.number<std::uint8_t>()] = top();
        return true;
      case 'r':
        memo_[in_.number<std::uint32_t>()] = top();
        return true;
      case 'h':
        return push(remembered(in_.number<std::uint8_t>()));
      case 'j':
        return push(remembered(in_.number<std::uint32_t>()));
      default:
        return false;
    }
  }

  Value* remembered(std::uint32_t index) const {
    const auto found = memo_.find(index);
    if (found == memo_.end()) refuse_("refers to a value that it does not hold");
    return found->second;
  }

  bool collect(std::uint8_t opcode) {
    switch (opcode) {
      case '(':
        if (marks_.size() >= limits_.depth) refuse_("is nested too deeply");
        marks_.push_back(stack_.size());
        return true;
      case ')':
        return push({Sequence{}});
      case ']':
        return push({Sequence{{}, true}});
      case '}':
        return push({Dict{}});
      case 't':
        return push({Sequence{pop_to_mark()}});
      case 0x85:
      case 0x86:
      case 0x87:
        return push({Sequence{pop_several(opcode - 0x84u)}});
      case 's':
        return set_items(pop_several(2));
      case 'u':
        return set_items(pop_to_mark());
      case 'a':
        return append(pop_several(1));
      case 'e':
        return append(pop_to_mark());
      default:
        return false;
    }
  }

  bool set_items(const std::vector<Reference>& values) {
    auto* dict = std::get_if<Dict>(&top()->is);
    if (!dict || values.size() % 2 != 0) refuse_("sets items of what is no dict");
    for (std::size_t i = 0; i < values.size(); i += 2) dict->items.emplace_back(values[i], values[i + 1]);
    return true;
  }

  bool append(const std::vector<Reference>& values) {
    auto* list = std::get_if<Sequence>(&top()->is);
    if (!list || !list->is_list) refuse_("appends to what is no list");
    list->items.insert(list->items.end(), values.begin(), values.end());
    return true;
  }

  bool build(std::uint8_t opcode) {
    switch (opcode) {
      case 'Q':
        return push({storage(*pop(), refuse_)});
      case 'R': {
        const auto* arguments = std::get_if<Sequence>(&pop()->is);
        const auto* function = std::get_if<Global>(&pop()->is);
        if (!function || !arguments) refuse_("calls what is no function");
        return push(call(*function, arguments->items, refuse_));
      }
      case 'b': {
        const auto* state = pop();
        set_state(*top(), *state, refuse_);
        return true;
      }
      default:
        return false;
    }
  }

  ByteReader in_;
  Refuse refuse_;
  const Limits& limits_;
  Pickle& pickle_;
  std::vector<Value*> stack_;
  std::vector<std::size_t> marks_;  // where the stack stood
  std::size_t text_ = 0;            // bytes of it in all values
  std::unordered_map<std::uint32_t, Value*> memo_;
};

std::string kind(const Value& value) {
  static const char* const names[] = {"None",    "a flag",   "a whole number", "a number",
                                      "a text",  "bytes",    "a dict",         "a tuple or list",
                                      "storage", "a tensor", "a function",     "a dtype"};
  static_assert(std::variant_size_v<decltype(value.is)> == std::size(names));
  return names[value.is.index()];
}

Pickle::Pickle(std::string_view text, const std::string& file, const Limits& limits) {
  if (text.size() > limits.bytes) {
    throw IoError(file + ": its pickle is " + std::to_string(text.size()) + " bytes long, more than the " +
                  std::to_string(limits.bytes) + " expected at most");
  }
  Machine(text, file, limits, *this).run();
}

}  // namespace msae::io::pickle
