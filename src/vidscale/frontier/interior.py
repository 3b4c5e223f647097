"""The solver behind `continuous`: one small convex program, millions of times.

    minimise F(v) = log Σ_j exp(a_j·v + b_j)   subject to   G(v) = log Σ_i s_i exp(c_i·v) − room <= 0,   v in [0, 1]³

v is log x scaled to the box, s_i the cost shares at the cheapest corner v = 0, and room the log of the budget over
that corner's cost, so that G stays exact where the room is tiny. Inside, F is divided by a typical slope so that the
multiplier is of order one. A primal-dual interior-point method (Boyd & Vandenberghe, Convex Optimization,
11.7) comes close from a strictly feasible start whatever the curvature; it also tells which constraints bind.
An active-set Newton method then solves the optimality conditions to rounding. What it returns is kept only where
the duality gap is no worse, so the second step can sharpen an answer but not spoil it.

All kernels that call each other are in this one file: numba's cache notices a change only in a kernel's own file.
"""

from typing import Any

import numpy as np
from numba import njit, prange

#: Room (log of budget over the cheapest corner's cost) at or below which the corner is the answer.
CORNER = 1e-13
#: Where the interior-point method stops: sum of complementarity products, and dual residual.
GAP_STOP, RESIDUAL_STOP = 1e-12, 1e-11
#: A duality gap above this (in log error) sends a program to the second method.
GAP_RETRY = 1e-9
#: A direction whose curvature is this much below the largest is treated as flat.
FLAT = 1e-11


@njit(cache=True, error_model="numpy")
def log_sum(offset: Any, slope: Any, v: Any, weight: Any, gradient: Any, hessian: Any) -> float:
    """log Σ_j exp(offset_j + slope_j·v); fills the terms' shares, the gradient and the Hessian."""
    top = -np.inf
    for j in range(offset.size):
        weight[j] = offset[j] + slope[j, 0] * v[0] + slope[j, 1] * v[1] + slope[j, 2] * v[2]
        top = max(top, weight[j])
    total = 0.0
    for j in range(offset.size):
        weight[j] = np.exp(weight[j] - top)
        total += weight[j]
    gradient[:] = 0.0
    hessian[:] = 0.0
    for j in range(offset.size):
        weight[j] /= total
        for k in range(3):
            gradient[k] += weight[j] * slope[j, k]
    for j in range(offset.size):
        for k in range(3):
            for m in range(k + 1):
                hessian[k, m] += weight[j] * (slope[j, k] - gradient[k]) * (slope[j, m] - gradient[m])
    for k in range(3):
        for m in range(k):
            hessian[m, k] = hessian[k, m]
    return top + np.log(total)


@njit(cache=True, error_model="numpy")
def _log_cost(base: Any, slope: Any, room: float, v: Any, weight: Any, gradient: Any, hessian: Any) -> float:
    """G(v); fills the terms' shares, the gradient and the Hessian. No slope is negative, so nothing cancels."""
    growth = 0.0
    for i in range(base.size):
        z = slope[i, 0] * v[0] + slope[i, 1] * v[1] + slope[i, 2] * v[2]
        growth += base[i] * np.expm1(z)
        weight[i] = base[i] * np.exp(z)
    for i in range(base.size):
        weight[i] /= 1.0 + growth
    for k in range(3):
        gradient[k] = np.sum(weight * slope[:, k])
    for k in range(3):
        for m in range(k + 1):
            mean = 0.0
            for i in range(base.size):
                mean += weight[i] * (slope[i, k] - gradient[k]) * (slope[i, m] - gradient[m])
            hessian[k, m] = hessian[m, k] = mean
    return np.log1p(growth) - room


@njit(cache=True, error_model="numpy")
def solve_spd(matrix: Any, right: Any, free: Any, out: Any) -> float:
    """Solve matrix·out = right over the free coordinates (0 elsewhere) by Cholesky.

    Returns the smallest pivot over the largest diagonal entry: at or near 0 the matrix is singular there.
    """
    lower = np.zeros((3, 3))
    largest = 0.0
    for k in range(3):
        if free[k]:
            largest = max(largest, matrix[k, k])
    worst = 1.0
    for k in range(3):
        out[k] = 0.0
        if not free[k]:
            continue
        pivot = matrix[k, k]
        for m in range(k):
            pivot -= lower[k, m] ** 2
        worst = min(worst, pivot / largest if largest > 0 else 0.0)
        pivot = max(pivot, 1e-300)
        lower[k, k] = np.sqrt(pivot)
        for i in range(k + 1, 3):
            if free[i]:
                value = matrix[i, k]
                for m in range(k):
                    value -= lower[i, m] * lower[k, m]
                lower[i, k] = value / lower[k, k]
    for k in range(3):
        if free[k]:
            value = right[k]
            for m in range(k):
                value -= lower[k, m] * out[m]
            out[k] = value / lower[k, k]
    for k in range(2, -1, -1):
        if free[k]:
            value = out[k]
            for m in range(k + 1, 3):
                value -= lower[m, k] * out[m]
            out[k] = value / lower[k, k]
    return worst


@njit(cache=True, error_model="numpy")
def _gap(v: Any, lam: float, grad_f: Any, grad_g: Any, g: float) -> float:
    """F(v) minus the bound that λ certifies: −λ G(v) − min over w in the box of (∇F + λ∇G)·(w − v)."""
    gap = -lam * g
    for k in range(3):
        r = grad_f[k] + lam * grad_g[k]
        gap += max(r * v[k], -r * (1.0 - v[k]))
    return gap


@njit(cache=True, error_model="numpy")
def solve(f_off: Any, f_slope: Any, base: Any, g_slope: Any, room: float, v: Any, low: Any, up: Any):
    """Solve one program; fills v and the active bounds low and up.

    Returns (λ, gap, state) in units of F: state 0 solved, 1 nothing is feasible. λ is the smallest multiplier where
    several are right, that is the value of a little more budget rather than of a little less.
    """
    f_w, g_w = np.empty(f_off.size), np.empty(base.size)
    f_g, g_g = np.empty(3), np.empty(3)
    f_h, g_h = np.empty((3, 3)), np.empty((3, 3))
    held = np.zeros(3, dtype=np.bool_)
    low[:] = False
    up[:] = False
    if room < -1e-12:
        return 0.0, np.inf, 1
    v[:] = 1.0
    budget = _log_cost(base, g_slope, room, v, g_w, g_g, g_h) > 0.0
    corner = budget and room <= CORNER
    slope = f_slope.copy()
    for k in range(3):
        # Factors that cost nothing stay free at the cheapest corner; factors of width zero are never free.
        if not np.any(f_slope[:, k] != 0.0) and not np.any(g_slope[:, k] != 0.0):
            held[k] = True
        if corner and np.any(g_slope[:, k] != 0.0):
            held[k] = True
        if held[k]:
            slope[:, k] = 0.0
    scale = _typical_slope(f_off, slope, f_w, f_g, f_h)
    if corner:
        budget = False
    best_lam, best_gap = 0.0, np.inf
    u, at_low, at_up = np.empty(3), np.zeros(3, dtype=np.bool_), np.zeros(3, dtype=np.bool_)
    # Where the first method's certificate is poor, a slower and sturdier one tries again; the better answer stays.
    for attempt in range(2):
        if attempt == 0:
            lam = _interior(f_off, slope, base, g_slope, room, scale, budget, held, u, at_low, at_up)
        else:
            lam = _barrier(f_off, slope, base, g_slope, room, scale, budget, held, u, at_low, at_up)
        lam = _polish(f_off, slope, base, g_slope, room, scale, budget, held, u, lam, at_low, at_up) * scale
        for k in range(3):
            if held[k]:
                u[k], at_low[k] = 0.0, True
        g = _log_cost(base, g_slope, room, u, g_w, g_g, g_h)
        log_sum(f_off, f_slope, u, f_w, f_g, f_h)
        if corner:
            lam = 0.0
            for k in range(3):
                if g_g[k] > 0.0:
                    lam = max(lam, -f_g[k] / g_g[k])
        gap = _gap(u, lam, f_g, g_g, g)
        if attempt == 0 or gap < best_gap:
            best_lam, best_gap = lam, gap
            v[:] = u
            low[:] = at_low
            up[:] = at_up
        if best_gap <= GAP_RETRY:
            break
    return best_lam, best_gap, 0


@njit(cache=True, error_model="numpy")
def _typical_slope(offset: Any, slope: Any, weight: Any, gradient: Any, hessian: Any) -> float:
    """Σ_j share_j · steepest slope of term j at the box's middle; it is 0 only where F is constant (then 1)."""
    log_sum(offset, slope, np.full(3, 0.5), weight, gradient, hessian)
    total = 0.0
    for j in range(offset.size):
        total += weight[j] * np.max(np.abs(slope[j]))
    return total if total > 1e-200 else 1.0


@njit(cache=True, error_model="numpy")
def _start(base: Any, g_slope: Any, room: float, budget: bool, v: Any):
    """A point well inside: the middle of the box, or as far towards it as the budget lets go."""
    spare, square = np.empty(3), np.empty((3, 3))
    v[:] = 0.5
    g = _log_cost(base, g_slope, room, v, np.empty(base.size), spare, square)
    if budget and g > -0.5 * room:
        # G is convex, so this far from the cheapest corner towards the middle at least half the room is left.
        v[:] = 0.25 * room / (room + g)


@njit(cache=True, error_model="numpy")
def _interior(f_off: Any, f_slope: Any, base: Any, g_slope: Any, room: float, scale: float, budget: bool, held: Any,
              v: Any, low: Any, up: Any) -> float:
    """The interior-point method. Fills v and a first guess of the active bounds; returns λ."""
    f_w, g_w = np.empty(f_off.size), np.empty(base.size)
    f_g, g_g, right, dv = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    f_h, g_h, matrix = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    free = np.ones(3, dtype=np.bool_)
    p, q, zp, zq, d_zp, d_zq = np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    new_v, new_p, new_q, new_zp, new_zq = np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    _start(base, g_slope, room, budget, v)
    log_sum(f_off, f_slope, v, f_w, f_g, f_h)
    g = _log_cost(base, g_slope, room, v, g_w, g_g, g_h)
    s = -g if budget else 1.0
    lam = 0.1 / s if budget else 0.0
    new_s, new_lam = s, lam
    for k in range(3):
        p[k], q[k] = v[k], 1.0 - v[k]
        zp[k], zq[k] = 0.1 / p[k], 0.1 / q[k]
    shrink = 0.1
    for _ in range(100):
        eta = lam * s if budget else 0.0
        dual = 0.0
        for k in range(3):
            eta += zp[k] * p[k] + zq[k] * q[k]
            dual = max(dual, abs(f_g[k] / scale + lam * g_g[k] - zp[k] + zq[k]))
        if eta < GAP_STOP and dual < RESIDUAL_STOP:
            break
        tau = shrink * max(eta, GAP_STOP) / (7.0 if budget else 6.0)
        for k in range(3):
            right[k] = -f_g[k] / scale + tau / p[k] - tau / q[k]
            if budget:
                right[k] -= tau / s * g_g[k]
            for m in range(3):
                matrix[k, m] = f_h[k, m] / scale
                if budget:
                    matrix[k, m] += lam * g_h[k, m] + lam / s * g_g[k] * g_g[m]
            matrix[k, k] += zp[k] / p[k] + zq[k] / q[k]
        solve_spd(matrix, right, free, dv)
        d_lam = (tau - lam * s + lam * np.sum(g_g * dv)) / s if budget else 0.0
        step = 1.0
        if d_lam < 0.0:
            step = min(step, -0.99 * lam / d_lam)
        before = _residual(f_g, g_g, scale, lam, s, p, q, zp, zq, tau, budget)
        for k in range(3):
            d_zp[k] = (tau - zp[k] * p[k] - zp[k] * dv[k]) / p[k]
            d_zq[k] = (tau - zq[k] * q[k] + zq[k] * dv[k]) / q[k]
            if d_zp[k] < 0.0:
                step = min(step, -0.99 * zp[k] / d_zp[k])
            if d_zq[k] < 0.0:
                step = min(step, -0.99 * zq[k] / d_zq[k])
            if dv[k] < 0.0:
                step = min(step, -0.99 * p[k] / dv[k])
            if dv[k] > 0.0:
                step = min(step, 0.99 * q[k] / dv[k])
        moved = False
        for _ in range(30):
            new_v[:] = v + step * dv
            g = _log_cost(base, g_slope, room, new_v, g_w, g_g, g_h)
            if not budget or g < -0.01 * s:
                log_sum(f_off, f_slope, new_v, f_w, f_g, f_h)
                # The slacks p and q move by the step itself: 1 − v would lose a small q to rounding.
                new_p[:] = p + step * dv
                new_q[:] = q - step * dv
                new_zp[:] = zp + step * d_zp
                new_zq[:] = zq + step * d_zq
                new_s, new_lam = -g if budget else 1.0, lam + step * d_lam
                after = _residual(f_g, g_g, scale, new_lam, new_s, new_p, new_q, new_zp, new_zq, tau, budget)
                if after <= (1.0 - 0.01 * step) * before:
                    moved = True
                    break
            step *= 0.5
        if not moved:
            break
        v[:], p[:], q[:], zp[:], zq[:], s, lam = new_v, new_p, new_q, new_zp, new_zq, new_s, new_lam
        shrink = 0.02 if step > 0.9 else (0.1 if step > 0.5 else 0.5)
    for k in range(3):
        low[k] = not held[k] and zp[k] > p[k]
        up[k] = not held[k] and zq[k] > q[k]
        v[k] = min(max(v[k], 0.0), 1.0)
    return lam


@njit(cache=True, error_model="numpy")
def _barrier(f_off: Any, f_slope: Any, base: Any, g_slope: Any, room: float, scale: float, budget: bool, held: Any,
             v: Any, low: Any, up: Any) -> float:
    """The plain barrier method, for the rare program on which the primal-dual one stalls: slower, always downhill.

    Newton's method on t F − log(−G) − Σ log v_k − Σ log(1 − v_k) for growing t (Boyd & Vandenberghe, 11.3).
    """
    f_w, g_w = np.empty(f_off.size), np.empty(base.size)
    f_g, g_g, right, dv, new = np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    f_h, g_h, matrix = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    free = np.ones(3, dtype=np.bool_)
    _start(base, g_slope, room, budget, v)
    g = _log_cost(base, g_slope, room, v, g_w, g_g, g_h)
    p, q = v.copy(), 1.0 - v
    s, t = -g if budget else 1.0, 1.0
    for _ in range(60):
        for _ in range(40):
            _log_cost(base, g_slope, room, v, g_w, g_g, g_h)
            f = log_sum(f_off, f_slope, v, f_w, f_g, f_h)
            for k in range(3):
                right[k] = -t * f_g[k] / scale + 1.0 / p[k] - 1.0 / q[k]
                if budget:
                    right[k] -= g_g[k] / s
                for m in range(3):
                    matrix[k, m] = t * f_h[k, m] / scale
                    if budget:
                        matrix[k, m] += g_h[k, m] / s + g_g[k] * g_g[m] / s**2
                matrix[k, k] += 1.0 / p[k] ** 2 + 1.0 / q[k] ** 2
            solve_spd(matrix, right, free, dv)
            decrement = np.sum(right * dv)
            if decrement < 1e-8:
                break
            step = 1.0
            for k in range(3):
                if dv[k] < 0.0:
                    step = min(step, -0.95 * p[k] / dv[k])
                if dv[k] > 0.0:
                    step = min(step, 0.95 * q[k] / dv[k])
            moved = False
            for _ in range(40):
                new[:] = v + step * dv
                g = _log_cost(base, g_slope, room, new, g_w, g_g, g_h)
                if not budget or g < 0.0:
                    change = t * (log_sum(f_off, f_slope, new, f_w, f_g, f_h) - f) / scale
                    if budget:
                        change -= np.log(-g / s)
                    for k in range(3):
                        change -= np.log1p(step * dv[k] / p[k]) + np.log1p(-step * dv[k] / q[k])
                    if change <= -0.1 * step * decrement + 1e-15 * t * (1.0 + abs(f) / scale):
                        moved = True
                        break
                step *= 0.5
            if not moved:
                break
            v[:] = new
            p += step * dv
            q -= step * dv
            s = -g if budget else 1.0
        if 7.0 / t < GAP_STOP:
            break
        t *= 6.0
    for k in range(3):
        low[k] = not held[k] and 1.0 / t > p[k] ** 2
        up[k] = not held[k] and 1.0 / t > q[k] ** 2
        v[k] = min(max(v[k], 0.0), 1.0)
    return 1.0 / (t * s) if budget else 0.0


@njit(cache=True, error_model="numpy")
def _residual(f_g: Any, g_g: Any, scale: float, lam: float, s: float, p: Any, q: Any, zp: Any, zq: Any, tau: float,
              budget: bool) -> float:
    total = (lam * s - tau) ** 2 if budget else 0.0
    for k in range(3):
        total += (f_g[k] / scale + lam * g_g[k] - zp[k] + zq[k]) ** 2
        total += (zp[k] * p[k] - tau) ** 2 + (zq[k] * q[k] - tau) ** 2
    return np.sqrt(total)


@njit(cache=True, error_model="numpy")
def _polish(f_off: Any, f_slope: Any, base: Any, g_slope: Any, room: float, scale: float, budget: bool, held: Any,
            v: Any, lam: float, low: Any, up: Any) -> float:
    """Newton on the optimality conditions with the active set held, mending the set a few times if it was wrong."""
    f_w, g_w = np.empty(f_off.size), np.empty(base.size)
    f_g, g_g = np.empty(3), np.empty(3)
    f_h, g_h = np.empty((3, 3)), np.empty((3, 3))
    g = _log_cost(base, g_slope, room, v, g_w, g_g, g_h)
    log_sum(f_off, f_slope, v, f_w, f_g, f_h)
    start_gap = _gap(v, lam, f_g / scale, g_g, g) if budget else _gap(v, 0.0, f_g / scale, g_g, g)
    u, multiplier = v.copy(), lam if budget else 0.0
    at_low, at_up = low.copy(), up.copy()
    tight = budget and lam * min(1.0, room) > -g
    if not tight:
        multiplier = 0.0
    for _ in range(8):
        for k in range(3):
            if at_low[k]:
                u[k] = 0.0
            if at_up[k]:
                u[k] = 1.0
        multiplier = _newton(f_off, f_slope, base, g_slope, room, scale, tight, held, at_low, at_up, u, multiplier)
        changed = False
        for k in range(3):
            if u[k] < 0.0 and not at_low[k]:
                at_low[k] = changed = True
            if u[k] > 1.0 and not at_up[k]:
                at_up[k] = changed = True
        if changed:
            continue
        g = _log_cost(base, g_slope, room, u, g_w, g_g, g_h)
        log_sum(f_off, f_slope, u, f_w, f_g, f_h)
        if tight and multiplier < 0.0:
            tight, multiplier = False, 0.0
            continue
        if budget and not tight and g > 1e-13 * min(1.0, room):
            tight = True
            continue
        worst, which = 1e-10, -1
        for k in range(3):
            r = f_g[k] / scale + multiplier * g_g[k]
            wrong = -r if at_low[k] else (r if at_up[k] else 0.0)
            if wrong > worst and not held[k]:
                worst, which = wrong, k
        if which < 0:
            break
        at_low[which] = at_up[which] = False
    g = _log_cost(base, g_slope, room, u, g_w, g_g, g_h)
    log_sum(f_off, f_slope, u, f_w, f_g, f_h)
    inside = np.all(u >= 0.0) and np.all(u <= 1.0) and multiplier >= 0.0 and (not budget or g <= 1e-13 * min(1.0, room))
    if inside and _gap(u, multiplier, f_g / scale, g_g, g) <= max(start_gap, 1e-13):
        v[:] = u
        low[:] = at_low
        up[:] = at_up
        return multiplier
    # An unpolished answer has no exact active set; without a binding budget its λ is noise of the method.
    return lam if budget and lam > 1e-9 else 0.0


@njit(cache=True, error_model="numpy")
def _newton(f_off: Any, f_slope: Any, base: Any, g_slope: Any, room: float, scale: float, tight: bool, held: Any,
            low: Any, up: Any, u: Any, lam: float) -> float:
    """A few Newton steps on (∇F + λ∇G, G) over the free factors; returns λ.

    Along flat directions the matrix is singular and the gradient zero; a trace of proximal weight keeps such a
    direction where it is and changes the others in the tenth digit of a step.
    """
    f_w, g_w = np.empty(f_off.size), np.empty(base.size)
    f_g, g_g, a, b, right = np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    f_h, g_h, matrix = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    free = ~(held | low | up)
    if not np.any(free):
        return lam
    for _ in range(6):
        g = _log_cost(base, g_slope, room, u, g_w, g_g, g_h)
        log_sum(f_off, f_slope, u, f_w, f_g, f_h)
        size, trace = 0.0, 1e-300
        for k in range(3):
            if free[k]:
                size += g_g[k] ** 2
                trace += f_h[k, k] / scale + lam * g_h[k, k]
        bound = tight and size > 1e-24
        error = abs(g) if bound else 0.0
        for k in range(3):
            right[k] = -(f_g[k] / scale + lam * g_g[k])
            if free[k]:
                error = max(error, abs(right[k]))
            for m in range(3):
                matrix[k, m] = f_h[k, m] / scale + lam * g_h[k, m]
                if bound:
                    matrix[k, m] += trace / size * g_g[k] * g_g[m]
            matrix[k, k] += 1e-10 * trace
        if error < 1e-15:
            break
        solve_spd(matrix, right, free, a)
        change = 0.0
        if bound:
            solve_spd(matrix, g_g, free, b)
            along_a = along_b = 0.0
            for k in range(3):
                if free[k]:
                    along_a += g_g[k] * a[k]
                    along_b += g_g[k] * b[k]
            change = (along_a + g) / along_b
            lam += change - trace / size * g
        for k in range(3):
            if free[k]:
                u[k] += a[k] - (change * b[k] if bound else 0.0)
        if not np.all(np.abs(u) < 10.0):
            break
    return lam


@njit(cache=True, parallel=True, error_model="numpy")
def solve_all(logs: Any, exponents: Any, cost_logs: Any, cost_exponents: Any, low: Any, high: Any, log_budgets: Any,
               log_n: Any, log_x: Any, numbers: Any, share: Any, flags: Any, state: Any):
    sizes, budgets = log_n.size, log_budgets.size
    width = high - low
    for job in prange(logs.shape[0] * sizes * budgets):
        law, size, b = job // (sizes * budgets), job // budgets % sizes, job % budgets
        live = 0
        f_off, f_slope = np.empty(logs.shape[1]), np.empty((logs.shape[1], 3))
        for j in range(logs.shape[1]):
            if logs[law, j] != -np.inf:
                f_off[live] = logs[law, j] + exponents[law, j, 3] * log_n[size]
                for k in range(3):
                    f_off[live] += exponents[law, j, k] * low[k]
                    f_slope[live, k] = exponents[law, j, k] * width[k]
                live += 1
        f_off, f_slope = f_off[:live], f_slope[:live]
        spare, square = np.empty(3), np.empty((3, 3))
        base, g_slope = np.empty(cost_logs.size), np.empty((cost_logs.size, 3))
        room = log_budgets[b] - log_sum(cost_logs, cost_exponents, low, base, spare, square)
        for j in range(cost_logs.size):
            for k in range(3):
                g_slope[j, k] = cost_exponents[j, k] * width[k]
        v = np.empty(3)
        at_low, at_up = np.zeros(3, dtype=np.bool_), np.zeros(3, dtype=np.bool_)
        lam, gap, state[law, size, b] = solve(f_off, f_slope, base, g_slope, room, v, at_low, at_up)
        if state[law, size, b] != 0:
            log_x[law, size, b] = np.nan
            numbers[law, size, b] = np.nan
            share[law, size, b] = np.nan
            flags[law, size, b] = False
            continue
        weight = np.empty(live)
        numbers[law, size, b, 0] = log_sum(f_off, f_slope, v, weight, spare, square)
        numbers[law, size, b, 1] = lam
        numbers[law, size, b, 2] = gap
        _log_cost(base, g_slope, room, v, share[law, size, b], spare, square)
        for k in range(3):
            log_x[law, size, b, k] = high[k] if v[k] == 1.0 else low[k] + width[k] * v[k]
            flags[law, size, b, k] = at_low[k] or width[k] == 0.0
            flags[law, size, b, 3 + k] = at_up[k] or width[k] == 0.0


@njit(cache=True, parallel=True, error_model="numpy")
def derivatives(logs: Any, exponents: Any, cost_logs: Any, cost_exponents: Any, log_n: Any, log_x: Any, lam: Any,
                 slack: Any, bound: Any, solved: Any, value: Any, status: Any):
    sizes, budgets = lam.shape[1], lam.shape[2]
    for job in prange(lam.shape[0] * sizes * budgets):
        law, d, b = job // (sizes * budgets), job // budgets % sizes, job % budgets
        value[law, d, b] = np.nan
        status[law, d, b] = 2
        if solved[law, d, b] != 0:
            continue
        weight, f_g, f_h = np.empty(logs.shape[1]), np.empty(3), np.empty((3, 3))
        share, g_g, g_h = np.empty(cost_logs.size), np.empty(3), np.empty((3, 3))
        log_sum(logs[law] + exponents[law, :, 3] * log_n[d], exponents[law], log_x[law, d, b], weight, f_g, f_h)
        log_sum(cost_logs, cost_exponents, log_x[law, d, b], share, g_g, g_h)
        in_data = np.sum(weight * exponents[law, :, 3])
        free = ~bound[law, d, b]
        right, a, c, size, trace = np.zeros(3), np.zeros(3), np.zeros(3), 0.0, 0.0
        for k in range(3):
            for j in range(weight.size):
                right[k] -= weight[j] * exponents[law, j, k] * (exponents[law, j, 3] - in_data)
            f_h[k] += lam[law, d, b] * g_h[k]
            if free[k]:
                size += g_g[k] ** 2
                trace += f_h[k, k]
        tight = not slack[law, d, b] and size > 0.0
        if tight:
            # Curvature added along ∇G alone leaves the answer as it is and makes the matrix definite.
            trace = max(trace, 1e-300)
            for k in range(3):
                for m in range(3):
                    f_h[k, m] += trace / size * g_g[k] * g_g[m]
        pivot = solve_spd(f_h, right, free, a)
        lone = tight and np.sum(free) == 1
        if np.any(free) and pivot < FLAT and not lone:
            status[law, d, b] = 1
            continue
        status[law, d, b] = 0
        along = 0.0
        if tight:
            solve_spd(f_h, g_g, free, c)
            along = np.sum(g_g * a * free) / np.sum(g_g * c * free)
        for k in range(3):
            value[law, d, b, k] = a[k] - along * c[k] if free[k] and not lone else 0.0
