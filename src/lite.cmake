# The library msae::lite, and the Torch-free files that it shares with msae::msae: both hold the same objects, so that a
# program may link both.
add_library(msae_base OBJECT
  core/atomic_file.cpp
  core/file.cpp
  core/memory.cpp
  core/version.cpp
  data/half.cpp
  io/json_reader.cpp
  io/model_config.cpp
  io/model_files.cpp
  io/safetensors.cpp
  io/tensor_layout.cpp
  models/activation.cpp
  models/active_set.cpp
  models/coding.cpp
  models/model_options.cpp
  models/operating_point.cpp
  models/pursuit.cpp
  models/sparse_codes.cpp
  models/vector_math.cpp)
target_include_directories(msae_base PRIVATE ${PROJECT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR})
target_compile_definitions(msae_base PRIVATE MSAE_VERSION="${PROJECT_VERSION}")
target_link_libraries(msae_base PRIVATE msae_settings nlohmann_json::nlohmann_json)

add_library(msae_lite_objects OBJECT
  lite/coder.cpp
  lite/encoder.cpp
  lite/model.cpp
  lite/read_floats.cpp
  lite/selection.cpp)
target_include_directories(msae_lite_objects PRIVATE ${PROJECT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(msae_lite_objects PRIVATE msae_settings Eigen3::Eigen)

# Static, whatever the other libraries are: for programs that are copied to where nothing is installed.
add_library(msae_lite STATIC $<TARGET_OBJECTS:msae_lite_objects> $<TARGET_OBJECTS:msae_base>)
add_library(msae::lite ALIAS msae_lite)
target_compile_features(msae_lite PUBLIC cxx_std_20)
target_include_directories(msae_lite PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
set_target_properties(msae_lite PROPERTIES EXPORT_NAME lite)

# What its users include, for an installation of it alone.
set(msae_lite_headers core/error.h core/export.h lite/encoder.h models/activation.h models/coding.h
  models/operating_point.h PARENT_SCOPE)
