#include "io/pickle_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/pickle_writer.h"
#include "msae/core/error.h"
#include "support/error_of.h"

namespace msae::io::pickle {
namespace {

using test::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::string_literals;

/// Protocol 2, and the end.
std::string whole(const std::string& opcodes) {
  return "\x80\x02" + opcodes + ".";
}

Pickle read(const std::string& opcodes) {
  return Pickle(whole(opcodes), "a.pth");
}

template <class Kind>
Kind value(const std::string& opcodes) {
  const auto pickle = read(opcodes);
  return std::get<Kind>(pickle.root().is);
}

std::string error(const std::string& text, const Limits& limits = {}) {
  return error_of<IoError>([&] { Pickle(text, "a.pth", limits); });
}

std::string text(const std::string& value) {
  return "X" + std::string(1, static_cast<char>(value.size())) + "\0\0\0"s + value;
}

/// A storage of six float32 in the entry "data/0".
const std::string storage =
    "(" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") + "K\x06tQ";

std::string tensor(const std::string& offset, const std::string& shape, const std::string& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + shape + strides +
         "\x89"
         "ccollections\nOrderedDict\n)RtR";
}

TEST(Pickle, ReadsConstants) {
  EXPECT_TRUE(std::holds_alternative<None>(read("N").root().is));
  EXPECT_TRUE(value<bool>("\x88"));
  EXPECT_FALSE(value<bool>("\x89"));
  EXPECT_EQ(value<std::int64_t>("K\xff"), 255);
  EXPECT_EQ(value<std::int64_t>("M\xff\xff"), 65535);
  EXPECT_EQ(value<std::int64_t>("J\xff\xff\xff\xff"), -1);
  EXPECT_EQ(value<std::int64_t>("\x8a\0"s), 0);
  EXPECT_EQ(value<std::int64_t>("\x8a\x01\xfe"), -2);
  EXPECT_EQ(value<std::int64_t>("\x8a\x05\0\0\0\0\x01"s), std::int64_t{1} << 32);
  EXPECT_EQ(value<std::int64_t>("\x8a\x08\0\0\0\0\0\0\0\x80"s), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(value<double>("G\x3f\xf8\0\0\0\0\0\0"s), 1.5);
  EXPECT_EQ(value<std::string>(text("ab")), "ab");
}

TEST(Pickle, ReadsContainersAndWhatTheyShare) {
  EXPECT_EQ(value<Sequence>(")").items.size(), 0u);
  EXPECT_EQ(value<Sequence>("K\1\x85").items.size(), 1u);
  EXPECT_EQ(value<Sequence>("K\1K\2K\3\x87").items.size(), 3u);
  EXPECT_EQ(value<Sequence>("](K\1K\2eK\3a").items.size(), 3u);
  const auto pickle =
      read("}(" + text("a") + "]q\0"s + "(K\1e" + text("b") + "h\0"s + "u" + text("c") + "K\2s");
  const auto& items = std::get<Dict>(pickle.root().is).items;
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[0].second, items[1].second);
  EXPECT_EQ(std::get<Sequence>(items[1].second->is).items.size(), 1u);
}

TEST(Pickle, AListInItselfIsReadAndGivenBack) {
  const auto pickle = read("]q\0"s + "h\0a"s);
  EXPECT_EQ(std::get<Sequence>(pickle.root().is).items[0], &pickle.root());
}

TEST(Pickle, ReadsTensorsOfAnyStrides) {
  const auto view = value<TensorView>(tensor("K\1", "K\2K\2\x86", "K\1K\3\x86"));
  EXPECT_EQ(view.storage.dtype, "F32");
  EXPECT_EQ(view.storage.key, "0");
  EXPECT_EQ(view.storage.elements, 6);
  EXPECT_EQ(view.offset, 1);
  EXPECT_THAT(view.shape, ElementsAre(2, 2));
  EXPECT_THAT(view.strides, ElementsAre(1, 3));
  EXPECT_EQ(value<TensorView>("ctorch._utils\n_rebuild_parameter\n(" + tensor("K\0"s, ")", ")") +
                              "\x88"
                              "ccollections\nOrderedDict\n)RtR")
                .shape.size(),
            0u);
}

TEST(Pickle, TensorsLieWithinTheirStorage) {
  const std::string no = "does not lie within the 6 elements of its storage";
  EXPECT_NO_THROW(read(tensor("K\0"s, "K\2K\3\x86", "K\3K\1\x86")));
  EXPECT_NO_THROW(read(tensor("K\xff", "K\0\x85"s, "K\1\x85")));  // it has no elements
  EXPECT_THAT(error(whole(tensor("K\1", "K\2K\3\x86", "K\3K\1\x86"))), HasSubstr(no));
  EXPECT_THAT(error(whole(tensor("K\0"s, "K\2K\3\x86", "K\1\x85"))), HasSubstr(no));
  const auto large = "\x8a\x08\0\0\0\0\0\0\0\x40"s;
  EXPECT_THAT(error(whole(tensor("K\0"s, large + "\x85", large + "\x85"))), HasSubstr(no));
  EXPECT_THAT(error(whole(tensor("K\0"s, "J\xff\xff\xff\xff\x85", "K\1\x85"))),
              HasSubstr("makes a tensor of something else"));
  EXPECT_THAT(error(whole(tensor("N", "K\1\x85", "K\1\x85"))), HasSubstr("makes a tensor of something else"));
}

std::string scalar(const std::string& module, const std::string& type, const std::string& order,
                   const std::string& bytes) {
  return "c" + module + "\nscalar\n(cnumpy\ndtype\n" + text(type) + "\x89\x88\x87R(K\3" + text(order) +
         "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"s + "c_codecs\nencode\n" + text(bytes) + text("latin1") +
         "\x86RtR";
}

TEST(Pickle, ReadsNumbersOfNumpy) {
  const auto half = "\0\xc2\x80\0\0\0\0\xc3\xb8?"s;  // 1.5 with a lowest byte but one of 0x80
  for (const std::string module : {"numpy.core.multiarray", "numpy._core.multiarray"}) {
    EXPECT_EQ(value<double>(scalar(module, "f8", "<", "\0\0\0\0\0\0\xc3\xb8?"s)), 1.5);
    EXPECT_EQ(value<double>(scalar(module, "f8", ">", "?\xc3\xb8\0\0\0\0\0\0"s)), 1.5);
    EXPECT_GT(value<double>(scalar(module, "f8", "<", half.substr(0, 3) + "\0\0\0\0\xc3\xb8?"s)), 1.5);
    EXPECT_EQ(value<double>(scalar(module, "f4", "<", "\0\0\xc2\x80\x3f"s)), 1.0);
    EXPECT_EQ(value<double>(scalar(module, "f2", "<", "\0\x3c"s)), 1.0);
    EXPECT_EQ(value<std::int64_t>(scalar(module, "i4", "<", "\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf")), -1);
  }
  const std::string module = "numpy.core.multiarray";
  EXPECT_THAT(error(whole(scalar(module, "f8", "<", "1234567"))),
              HasSubstr("numpy number of type f8 in 7 bytes"));
  EXPECT_THAT(error(whole(scalar(module, "O8", "<", "12345678"))), HasSubstr("numpy number of type O8"));
  EXPECT_THAT(error(whole(scalar(module, "f4", "<",
                                 "\xe2\x82\xac"
                                 "123"))),
              HasSubstr("bytes that are none"));
}

TEST(Pickle, NothingUnknownIsNamedCalledOrRun) {
  EXPECT_THAT(
      error(whole("cposix\nsystem\n" + text("true") + "\x85R")),
      HasSubstr("a.pth: its pickle names posix.system, which no checkpoint needs; nothing of it was run"));
  EXPECT_THAT(error(whole("cbuiltins\neval\n")), HasSubstr("builtins.eval"));
  EXPECT_THAT(error(whole("c" + std::string(5000, 'x') + "\ny\n")), HasSubstr("xxx..."));
  EXPECT_THAT(error(whole("ctorch\nFloatStorage\n)R")),
              HasSubstr("calls torch.FloatStorage, which is no function"));
  EXPECT_THAT(error(whole("K\1)R")), HasSubstr("calls what is no function"));
  EXPECT_THAT(error(whole("ccollections\nOrderedDict\nK\1\x85R")),
              HasSubstr("makes an OrderedDict of something"));
  EXPECT_THAT(error(whole("K\1}b")), HasSubstr("sets the state of a whole number"));
  EXPECT_THAT(error(whole(")Q")), HasSubstr("persistent id that is no storage"));
  for (const int opcode :
       std::initializer_list<int>{'i', 'o', '0', '2', 'P', 0x81, 0x82, 0x92, 0x93, 0x95, 0, 255}) {
    EXPECT_THAT(error(whole("K\1" + std::string(1, static_cast<char>(opcode)))),
                HasSubstr("has the opcode " + std::to_string(opcode) + ", which no checkpoint needs"));
  }
}

TEST(Pickle, DamagedStacksAreRefused) {
  EXPECT_THAT(error(""), HasSubstr("is cut short"));
  EXPECT_THAT(error("."), HasSubstr("does not begin as one"));
  EXPECT_THAT(error("\x80\x04."), HasSubstr("is of protocol 4"));
  EXPECT_THAT(error(whole("")), HasSubstr("ends in the middle of a value"));
  EXPECT_THAT(error(whole("K\1K\2")), HasSubstr("ends in the middle of a value"));
  EXPECT_THAT(error(whole("(K\1")), HasSubstr("ends in the middle of a value"));
  EXPECT_THAT(error(whole("t")), HasSubstr("ends a container that was not begun"));
  EXPECT_THAT(error(whole("\x85")), HasSubstr("takes a value that is not there"));
  EXPECT_THAT(error(whole("K\1(\x85")), HasSubstr("takes a value that is not there"));
  EXPECT_THAT(error(whole("h\x05")), HasSubstr("refers to a value that it does not hold"));
  EXPECT_THAT(error(whole("K\1K\1K\1s")), HasSubstr("sets items of what is no dict"));
  EXPECT_THAT(error(whole("}(K\1u")), HasSubstr("sets items of what is no dict"));
  EXPECT_THAT(error(whole(")K\1a")), HasSubstr("appends to what is no list"));
  EXPECT_THAT(error(whole("\x8a\x09"
                          "123456789")),
              HasSubstr("beyond 64 bits"));
  EXPECT_THAT(error("\x80\x02X\xff\xff\xff\xff"
                    "abc"),
              HasSubstr("is cut short"));
  EXPECT_THAT(error("\x80\x02"
                    "ctorch"),
              HasSubstr("is cut short"));
}

TEST(Pickle, HasLimits) {
  EXPECT_THAT(error(whole(std::string(65, '('))), HasSubstr("is nested too deeply"));
  EXPECT_NO_THROW(read(std::string(64, '(') + std::string(64, 't')));
  EXPECT_NO_THROW(read(")" + std::string(100'000, '\x85')));  // deep, and yet taken apart without recursion
  EXPECT_THAT(error(whole(std::string(11, ')')), {.values = 10}), HasSubstr("holds more than 10 values"));
  EXPECT_THAT(error(whole(")q\1" + std::string(20, 'h')), {.values = 10}), testing::Ne("no error"));
  EXPECT_THAT(error(whole(std::string(20, ')')), {.bytes = 10}),
              HasSubstr("more than the 10 expected at most"));
}

// A key that is named once, and copied by every storage.
TEST(Pickle, LimitsTheTextOfAllValues) {
  auto pickle = "(" + text(std::string(100, 'k')) + "q\1";
  for (int i = 0; i < 10; ++i) {
    pickle += "(" + text("storage") + "ctorch\nFloatStorage\nh\1" + text("cpu") + "K\6tQ";
  }
  const auto all = whole(pickle + "t");
  EXPECT_EQ(error(all, {.text = 1200}), "no error");
  EXPECT_THAT(error(all, {.text = 1199}), HasSubstr("holds more text than 1199 bytes"));
}

TEST(PickleFields, SayWhatIsMissingOrOfAnotherKind) {
  const auto pickle = read("}(" + text("n") + "K\1" + text("r") + "G\x3f\xf8\0\0\0\0\0\0"s + text("d") + "}" +
                           text("t") + text("x") + text("n") + "K\2u");
  const Fields fields(pickle.root(), "a.pth");
  EXPECT_EQ(fields.number("n"), 2);  // the last one counts
  EXPECT_EQ(fields.number("r"), 1.5);
  EXPECT_FALSE(fields.has("none"));
  EXPECT_THAT(error_of<IoError>([&] { fields.dict("none"); }),
              HasSubstr("a.pth: none is missing; it holds n, r, d, t"));
  EXPECT_THAT(error_of<IoError>([&] { fields.dict("d").number("none"); }),
              HasSubstr("a.pth: d.none is missing; it holds nothing that has a name"));
  EXPECT_THAT(error_of<IoError>([&] { fields.number("t"); }), HasSubstr("t must be a number, not a text"));
  EXPECT_THAT(error_of<IoError>([&] { fields.tensor("r"); }), HasSubstr("r must be a tensor, not a number"));
  EXPECT_THAT(error_of<IoError>([&] { fields.dict("n"); }),
              HasSubstr("n must be a dict, not a whole number"));
}

std::string written() {
  Writer writer;
  writer.begin_dict();
  writer.text("a");
  writer.begin_ordered_dict();
  writer.text("t");
  writer.tensor({{"F64", "3", std::int64_t{1} << 40}, 1, {2, 5}, {1, 2}});
  writer.end_dict();
  writer.text("r");
  writer.real(-1.25e-300);
  writer.end_dict();
  return writer.finish();
}

TEST(PickleWriter, WritesWhatTheReaderReads) {
  const Pickle pickle(written(), "a.pth");
  const Fields fields(pickle.root(), "a.pth");
  EXPECT_EQ(fields.number("r"), -1.25e-300);
  const auto& view = fields.dict("a").tensor("t");
  EXPECT_EQ(view.storage.dtype, "F64");
  EXPECT_EQ(view.storage.key, "3");
  EXPECT_EQ(view.storage.elements, std::int64_t{1} << 40);
  EXPECT_EQ(view.offset, 1);
  EXPECT_THAT(view.shape, ElementsAre(2, 5));
  EXPECT_THAT(view.strides, ElementsAre(1, 2));
  EXPECT_THROW(Writer().tensor({{"F8_E5M2", "0", 1}, 0, {1}, {1}}), std::invalid_argument);
}

TEST(PickleWriter, WhatItWritesIsRefusedWhenCutAnywhere) {
  const auto text = written();
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_THAT(error(text.substr(0, size)), HasSubstr("a.pth: its pickle ")) << size;
  }
}

}  // namespace
}  // namespace msae::io::pickle
