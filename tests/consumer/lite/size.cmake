# Fails where PROGRAM takes a megabyte or more.
file(SIZE ${PROGRAM} bytes)
message(STATUS "${PROGRAM}: ${bytes} bytes")
if(NOT bytes LESS 1000000)
  message(FATAL_ERROR "A stripped program that encodes rows should take less than 1000000 bytes.")
endif()
