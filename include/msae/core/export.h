/// \file
/// What the shared library shows: everything else of it is hidden.
#pragma once

/// Marks what users link against: functions, classes, and exceptions, whose type has to be one in the library
/// and in the program that catches it.
#define MSAE_EXPORT __attribute__((visibility("default")))
