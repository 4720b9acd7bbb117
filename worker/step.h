/* SPDX-License-Identifier: MIT
 * step.h - what a stage says when it returns: go on, wait (request_resume() comes later), or
 * answered. */
#ifndef STEP_H
#define STEP_H

enum step { STEP_NEXT, STEP_WAIT, STEP_DONE };

#endif
