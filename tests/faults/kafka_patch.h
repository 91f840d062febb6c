/*
 * kafka_patch.h - writes an error code into a response of a real broker, so that a client hears of an error that the broker did not have. What was asked for
 * has been done all the same: after an error put into the answer to Produce, the batch is in the log.
 */
#ifndef CDC_TESTS_FAULTS_KAFKA_PATCH_H
#define CDC_TESTS_FAULTS_KAFKA_PATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the answers to this API can be given an error at all: Produce (each partition), Metadata (each topic), ApiVersions, InitProducerId. */
bool kafka_patch_knows(int api);

/* Writes the code into the whole frame, in place. False: the version's layout is not known here, or the frame is not of that layout; it is unchanged then. */
bool kafka_patch_error(uint8_t *frame, size_t length, int api, int version, int16_t code);

#endif
