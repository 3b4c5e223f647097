"""The compiled kernel: objective, gradient and curvature of any posynomial form, and a bounded minimiser.

Legend (one problem: rows i, terms j, factors k; θ = (c, e), coefficients then exponents):

    m_ij = exp(Σ_k e_jk L_ik)           e_jk = base_jk + Σ (multiples of exponents in θ)
    f_i = Σ_j c_j m_ij                  r_i = log f_i − y_i
    Q(θ) = Σ_i w_i ρ(r_i)               ρ(r) = r²  or Huber with threshold δ
    q_ij = m_ij / f_i = ∂r_i/∂c_j       s_ij = c_j q_ij, the share of term j
    g_ip = Σ_j s_ij φ_ijp = ∂r_i/∂e_p   φ_ijp = multiple × L_ik (linear in the data)
    ∇²Q = Σ_i w_i [ρ'' ∇r ∇rᵀ + ρ' ∇²r]

Coefficients are kept linear, not logged: given exponents the residuals are then nearly linear in them, a term
that the data do not want reaches its bound 0 in finitely many steps, and the strongly curved valley between a
coefficient and its exponent is followed by solving the coefficients again after every step in the exponents (in
the spirit of variable projection, Golub & Pereyra 1973). The first stage uses the Gauss–Newton part of ∇²Q,
which is positive semidefinite; the second the whole of it, for quadratic convergence in flat valleys. Steps are
damped as in Levenberg–Marquardt and stop at the walls of the box.
"""

import math

import numpy as np
from numba import njit, prange

LOG_MSE = 0
LOG_HUBER = 1

#: A mean loss this small is rounding: the law fits exactly, and polishing the last digits would never end.
EXACT = 1e-26

#: Newton steps in the coefficients after each step in the exponents; they need no exponentials and cost little.
INNER = 6


@njit(cache=True, error_model="numpy")
def _powers(e, ptr, ent_k, ent_p, ent_m, base, L, M):
    """m_ij for exponents e (indexed by parameter number minus the number of terms)."""
    J = ptr.shape[0] - 1
    K = L.shape[1]
    for i in range(L.shape[0]):
        for j in range(J):
            z = 0.0
            for k in range(K):
                z += base[j, k] * L[i, k]
            for a in range(ptr[j], ptr[j + 1]):
                z += e[ent_p[a]] * ent_m[a] * L[i, ent_k[a]]
            M[i, j] = math.exp(min(z, 300.0))


@njit(cache=True, error_model="numpy")
def _value(c, M, y, w, loss, delta):
    """Q for coefficients c."""
    J = M.shape[1]
    total = 0.0
    for i in range(y.shape[0]):
        f = 0.0
        for j in range(J):
            f += c[j] * M[i, j]
        if not f > 0.0:
            return np.inf
        r = math.log(f) - y[i]
        size = abs(r)
        if loss == 0:
            total += w[i] * r * r
        elif size <= delta:
            total += w[i] * 0.5 * r * r
        else:
            total += w[i] * delta * (size - 0.5 * delta)
    return total


@njit(cache=True, error_model="numpy")
def _cholesky_solve(A, size, b, x):
    """Solve A x = b for the leading block of a symmetric matrix (lower triangle, overwritten)."""
    for a in range(size):
        for q in range(a + 1):
            v = A[a, q]
            for t in range(q):
                v -= A[a, t] * A[q, t]
            if a == q:
                if not v > 1e-15 * A[a, a]:
                    return False
                A[a, a] = math.sqrt(v)
            else:
                A[a, q] = v / A[q, q]
    for a in range(size):
        v = b[a]
        for t in range(a):
            v -= A[a, t] * x[t]
        x[a] = v / A[a, a]
    for a in range(size - 1, -1, -1):
        v = x[a]
        for t in range(a + 1, size):
            v -= A[t, a] * x[t]
        x[a] = v / A[a, a]
    return True


@njit(cache=True, error_model="numpy")
def _coefficients(c, lower, upper, M, y, w, loss, delta, steps, Q, H, A, g, b, x, trial, index):
    """Improve the coefficients at fixed exponents by projected Newton steps; returns Q, which never rises."""
    J = M.shape[1]
    n = y.shape[0]
    for _ in range(steps):
        for j in range(J):
            g[j] = 0.0
            for q in range(j + 1):
                H[j, q] = 0.0
        for i in range(n):
            f = 0.0
            for j in range(J):
                f += c[j] * M[i, j]
            r = math.log(f) - y[i]
            if loss == 0:
                d1 = 2.0 * w[i] * r
                h = 2.0 * w[i] * max(1.0 - r, 0.1)
            else:
                size = abs(r)
                weight = w[i] if size <= delta else w[i] * delta / size
                d1 = weight * r
                h = weight
            d1 /= f
            h /= f * f
            for j in range(J):
                mj = M[i, j]
                g[j] += d1 * mj
                hm = h * mj
                for q in range(j + 1):
                    H[j, q] += hm * M[i, q]
        size_free = 0
        for j in range(J):
            x[j] = 0.0
            if not ((c[j] <= lower[j] and g[j] >= 0.0) or (c[j] >= upper[j] and g[j] <= 0.0)):
                index[size_free] = j
                size_free += 1
        if size_free == 0:
            return Q
        for j in range(J):
            trial[j] = c[j]
        # Walls: a coefficient that would leave its box stops there and the rest is solved again.
        ok = True
        while size_free > 0:
            for a in range(size_free):
                ja = index[a]
                b[a] = -g[ja]
                for t in range(J):
                    moved = trial[t] - c[t]
                    if moved != 0.0:
                        b[a] -= (H[ja, t] if t <= ja else H[t, ja]) * moved
                for q in range(a + 1):
                    A[a, q] = H[ja, index[q]]
                A[a, a] *= 1.0 + 1e-12
            if not _cholesky_solve(A, size_free, b, x):
                ok = False
                break
            kept = 0
            walls = 0
            for a in range(size_free):
                j = index[a]
                value = c[j] + x[a]
                if value < lower[j] or value > upper[j]:
                    trial[j] = min(max(value, lower[j]), upper[j])
                    walls += 1
                else:
                    index[kept] = j
                    kept += 1
            if walls == 0:
                for a in range(size_free):
                    trial[index[a]] = c[index[a]] + x[a]
                break
            size_free = kept
        if not ok:
            return Q
        shrink = 1.0
        value = Q
        better = False
        for _ in range(4):
            for j in range(J):
                b[j] = c[j] + shrink * (trial[j] - c[j])
            value = _value(b, M, y, w, loss, delta)
            if value < Q:
                better = True
                break
            shrink *= 0.3
        if not better:
            return Q
        for j in range(J):
            c[j] = b[j]
        gain = Q - value
        Q = value
        if gain <= 1e-13 * Q:
            return Q
    return Q


@njit(cache=True, error_model="numpy")
def _derivatives(theta, M, ptr, ent_k, ent_p, ent_m, L, y, w, loss, delta, second_order, grad, hess, q, phi, g):
    """Q at θ given m; fills grad (P,) and the upper triangle of hess (P, P)."""
    n = y.shape[0]
    J = ptr.shape[0] - 1
    P = theta.shape[0]
    total = 0.0
    for a in range(P):
        grad[a] = 0.0
        for b in range(a, P):
            hess[a, b] = 0.0
    for i in range(n):
        wi = w[i]
        f = 0.0
        for j in range(J):
            f += theta[j] * M[i, j]
        r = math.log(f) - y[i]
        if loss == 0:
            total += wi * r * r
            d1 = 2.0 * wi * r
            d2 = 2.0 * wi
        else:
            size = abs(r)
            if size <= delta:
                total += wi * 0.5 * r * r
                d1 = wi * r
                d2 = wi
            else:
                total += wi * delta * (size - 0.5 * delta)
                d1 = wi * delta if r > 0 else -wi * delta
                # Far out the majorising weight keeps steps finite; near the optimum the true zero counts.
                d2 = 0.0 if second_order else wi * delta / size
        for a in range(J, P):
            g[a] = 0.0
        for j in range(J):
            q[j] = M[i, j] / f
            g[j] = q[j]
            share = theta[j] * q[j]
            for e in range(ptr[j], ptr[j + 1]):
                phi[e] = ent_m[e] * L[i, ent_k[e]]
                g[ent_p[e]] += share * phi[e]
        c = d2
        if second_order:
            c = d2 - d1
            for j in range(J):
                dq = d1 * q[j]
                ds = dq * theta[j]
                for e in range(ptr[j], ptr[j + 1]):
                    hess[j, ent_p[e]] += dq * phi[e]
                    for a in range(ptr[j], ptr[j + 1]):
                        if ent_p[a] >= ent_p[e]:
                            hess[ent_p[e], ent_p[a]] += ds * phi[e] * phi[a]
        for a in range(P):
            ga = g[a]
            grad[a] += d1 * ga
            cg = c * ga
            for b in range(a, P):
                hess[a, b] += cg * g[b]
    return total


@njit(cache=True, error_model="numpy")
def minimise(theta, lower, upper, ptr, ent_k, ent_p, ent_m, base, L, y, w, loss, delta,
             second_order, max_iter, rtol):
    """Minimise Q from θ (changed in place) inside the box.

    Returns (Q, scaled projected gradient norm relative to Q, iterations, converged).
    """
    P = theta.shape[0]
    J = ptr.shape[0] - 1
    n = y.shape[0]
    grad = np.empty(P)
    hess = np.empty((P, P))
    new_grad = np.empty(P)
    new_hess = np.empty((P, P))
    trial = np.empty(P)
    scale = np.zeros(P)
    A = np.empty((P, P))
    step = np.empty(P)
    shift = np.empty(P)
    right = np.empty(P)
    b = np.empty(P)
    free = np.empty(P, dtype=np.int64)
    q = np.empty(J)
    phi = np.empty(ent_p.shape[0])
    g = np.empty(P)
    M = np.empty((n, J))
    work = np.empty((J, J))
    spare = np.empty((J, J))
    v1 = np.empty(P)
    v2 = np.empty(P)
    v3 = np.empty(P)
    v4 = np.empty(P)
    for p in range(P):
        theta[p] = min(max(theta[p], lower[p]), upper[p])
    _powers(theta, ptr, ent_k, ent_p, ent_m, base, L, M)
    Q = _value(theta, M, y, w, loss, delta)
    if not Q < np.inf:
        return np.inf, np.inf, 0, False
    Q = _coefficients(theta, lower, upper, M, y, w, loss, delta, 3 * INNER, Q, work, spare, v1, v2, v3, v4, free)
    Q = _derivatives(theta, M, ptr, ent_k, ent_p, ent_m, L, y, w, loss, delta, second_order, grad, hess, q, phi, g)
    mu = 1e-3
    grow = 2.0
    quiet = 0
    converged = False
    iterations = 0
    exact = EXACT * w.sum()
    while iterations < max_iter:
        iterations += 1
        if not Q > exact:
            converged = True
            break
        n_free = 0
        top = 0.0
        for p in range(P):
            if p >= J:
                top = max(top, abs(hess[p, p]))
        for p in range(P):
            damp = 1e-6 * mu + 1e-12 if p < J else mu
            scale[p] = damp * max(abs(hess[p, p]), (1e-8 * top if p >= J else 0.0) + 1e-300)
            at_low = theta[p] <= lower[p] and grad[p] >= 0.0
            at_high = theta[p] >= upper[p] and grad[p] <= 0.0
            if not (at_low or at_high):
                free[n_free] = p
                n_free += 1
        if n_free == 0:
            converged = True
            break
        # A step that would leave the box stops at the wall, and the others are solved again given that.
        for p in range(P):
            shift[p] = 0.0
            right[p] = grad[p]
        solved = True
        while n_free > 0:
            for a in range(n_free):
                pa = free[a]
                b[a] = -right[pa]
                for t in range(a + 1):
                    pt = free[t]
                    A[a, t] = hess[pt, pa] if pt <= pa else hess[pa, pt]
                A[a, a] += scale[pa]
            solved = _cholesky_solve(A, n_free, b, step)
            if not solved:
                break
            kept = 0
            for a in range(n_free):
                p = free[a]
                change = step[a] if p < J else min(max(step[a], -1.0), 1.0)
                bounded = min(max(theta[p] + change, lower[p]), upper[p]) - theta[p]
                shift[p] = bounded
                if bounded == change:
                    free[kept] = p
                    kept += 1
                else:
                    for t in range(P):
                        right[t] += bounded * (hess[p, t] if p <= t else hess[t, p])
            if kept == n_free:
                break
            n_free = kept
        if not solved:
            mu = max(mu * 10.0, 1e-7)
            if mu > 1e12:
                break
            continue
        moved = 0.0
        predicted = 0.0
        for a in range(P):
            da = shift[a]
            trial[a] = min(max(theta[a] + da, lower[a]), upper[a])
            moved = max(moved, abs(da))
            if da != 0.0:
                predicted -= da * grad[a]
                for t in range(P):
                    if shift[t] != 0.0:
                        predicted -= 0.5 * da * shift[t] * (hess[a, t] if a <= t else hess[t, a])
        if moved < 1e-14:
            converged = True
            break
        if predicted <= 0.0:
            mu = max(mu, 1e-12) * grow
            grow *= 2.0
            if mu > 1e14:
                break
            continue
        _powers(trial, ptr, ent_k, ent_p, ent_m, base, L, M)
        Q_new = _value(trial, M, y, w, loss, delta)
        if Q_new < np.inf:
            Q_new = _coefficients(trial, lower, upper, M, y, w, loss, delta, INNER, Q_new, work, spare, v1, v2, v3,
                                  v4, free)
        gain = Q - Q_new
        if gain > 0.0:
            Q = _derivatives(trial, M, ptr, ent_k, ent_p, ent_m, L, y, w, loss, delta, second_order, new_grad,
                             new_hess, q, phi, g)
            for p in range(P):
                theta[p] = trial[p]
            grad, new_grad = new_grad, grad
            hess, new_hess = new_hess, hess
            ratio = gain / predicted
            if ratio > 0.75:
                mu *= 0.1
            elif ratio < 0.25:
                mu *= 2.0
            mu = max(mu, 1e-14)
            grow = 2.0
            quiet = quiet + 1 if gain <= rtol * Q else 0
            if quiet >= 3:
                converged = True
                break
        else:
            if predicted <= 1e-14 * Q:
                converged = True
                break
            mu = max(mu, 1e-12) * grow
            grow *= 2.0
            if mu > 1e14:
                break
    norm = 0.0
    for p in range(P):
        at_low = theta[p] <= lower[p] and grad[p] >= 0.0
        at_high = theta[p] >= upper[p] and grad[p] <= 0.0
        if not (at_low or at_high):
            size = theta[p] if p < J else 1.0
            norm = max(norm, abs(grad[p]) * size)
    return Q, norm / max(Q, 1e-300), iterations, converged


@njit(cache=True, error_model="numpy")
def nonnegative_coefficients(theta, free_coef, M, y, w):
    """Set θ's free coefficients to the best ones for its exponents, by relative error.

    min_c Σ_i w_i (Σ_j c_j m_ij / f_i − 1)² with c ≥ 0 and f_i the measured error: a small non-negative
    least-squares problem, solved by Lawson & Hanson's active set on the normal equations.
    """
    n, J = M.shape
    G = np.zeros((J, J))
    b = np.zeros(J)
    m = np.empty(J)
    for i in range(n):
        target = 1.0
        inverse = math.exp(-y[i])
        for j in range(J):
            m[j] = M[i, j] * inverse
            if not free_coef[j]:
                target -= theta[j] * m[j]
                m[j] = 0.0
        for j in range(J):
            b[j] += w[i] * m[j] * target
            for q in range(j + 1):
                G[j, q] += w[i] * m[j] * m[q]
    for j in range(J):
        for q in range(j):
            G[q, j] = G[j, q]
    c = np.zeros(J)
    active = np.zeros(J, dtype=np.bool_)
    A = np.empty((J, J))
    right = np.empty(J)
    sol = np.empty(J)
    index = np.empty(J, dtype=np.int64)
    for _ in range(3 * J):
        best = -1
        steepest = 1e-12
        for j in range(J):
            if free_coef[j] and not active[j] and G[j, j] > 0.0:
                v = b[j]
                for q in range(J):
                    v -= G[j, q] * c[q]
                v /= math.sqrt(G[j, j])
                if v > steepest:
                    steepest = v
                    best = j
        if best < 0:
            break
        active[best] = True
        while True:
            size = 0
            for j in range(J):
                if active[j]:
                    index[size] = j
                    size += 1
            for a in range(size):
                right[a] = b[index[a]]
                for q in range(a + 1):
                    A[a, q] = G[index[a], index[q]]
                A[a, a] *= 1.0 + 1e-11
            if size == 0 or not _cholesky_solve(A, size, right, sol):
                active[best] = False
                c[best] = 0.0
                break
            shrink = 1.0
            worst = -1
            for a in range(size):
                if sol[a] <= 0.0:
                    share = c[index[a]] / (c[index[a]] - sol[a])
                    if share < shrink:
                        shrink = share
                        worst = index[a]
            if worst < 0:
                for a in range(size):
                    c[index[a]] = sol[a]
                break
            for a in range(size):
                c[index[a]] += shrink * (sol[a] - c[index[a]])
            c[worst] = 0.0
            active[worst] = False
    for j in range(J):
        if free_coef[j]:
            theta[j] = c[j]


@njit(cache=True, parallel=True, error_model="numpy")
def search_starts(thetas, refine, free_coef, lower, upper, ptr, ent_k, ent_p, ent_m, base, L, Y, W, target,
                  loss, delta, iterations):
    """First stage for every (problem, start): coefficients by NNLS where `refine`, then damped Gauss–Newton.

    Args:
        thetas: starts, shape (problems, starts, P), changed in place.
        refine: shape (starts,), whether coefficients are replaced by the non-negative least-squares ones.
        lower, upper: boxes, shape (problems, P).
        Y: log errors, shape (targets, rows); W: weights, shape (problems, rows); target: shape (problems,).

    Returns:
        Objectives, shape (problems, starts).
    """
    B, S, _ = thetas.shape
    Q = np.empty((B, S))
    for bs in prange(B * S):
        b = bs // S
        s = bs % S
        keep = np.flatnonzero(W[b] > 0.0)
        Lb = L[keep]
        yb = Y[target[b]][keep]
        wb = W[b][keep]
        theta = thetas[b, s]
        if refine[s]:
            M = np.empty((keep.shape[0], ptr.shape[0] - 1))
            _powers(theta, ptr, ent_k, ent_p, ent_m, base, Lb, M)
            nonnegative_coefficients(theta, free_coef, M, yb, wb)
        Q[b, s] = minimise(theta, lower[b], upper[b], ptr, ent_k, ent_p, ent_m, base, Lb, yb, wb, loss, delta,
                           False, iterations, 1e-5)[0]
    return Q


@njit(cache=True, error_model="numpy")
def revive(theta, lower, upper, own, ptr, ent_k, ent_p, ent_m, base, L, y, w, loss, delta, scans):
    """Give terms at coefficient 0 the exponents at which they would help most; True if one of them would.

    Where a coefficient is 0 its own exponents do not matter to Q, so a minimiser can rest at c_j = 0 only because
    those exponents happen to be poor. ∂Q/∂c_j scanned over them (in units of its curvature) tells.

    Args:
        own: shape (P,), the term an exponent belongs to alone, −1 where it is shared.
    """
    J = ptr.shape[0] - 1
    P = theta.shape[0]
    n = y.shape[0]
    K = L.shape[1]
    M = np.empty((n, J))
    _powers(theta, ptr, ent_k, ent_p, ent_m, base, L, M)
    pull = np.empty(n)
    weight = np.empty(n)
    for i in range(n):
        f = 0.0
        for j in range(J):
            f += theta[j] * M[i, j]
        r = math.log(f) - y[i]
        if loss == 0:
            pull[i] = 2.0 * w[i] * r / f
        else:
            pull[i] = w[i] * min(max(r, -delta), delta) / f
        weight[i] = w[i] / (f * f)
    best_e = np.empty(P)
    e = np.empty(P)
    found = False
    for j in range(J):
        if theta[j] > 0.0 or upper[j] <= 0.0:
            continue
        count = 0
        for p in range(J, P):
            if own[p] == j and lower[p] < upper[p]:
                count += 1
        if count == 0:
            continue
        steepest = -1e-9
        hit = False
        for scan in range(scans * count):
            for p in range(P):
                e[p] = theta[p]
            dim = 0
            for p in range(J, P):
                if own[p] == j and lower[p] < upper[p]:
                    # One exponent: an even grid, ends included. Several: the corners of their box, where optima
                    # of flat terms like to be, then a Kronecker sequence on square roots.
                    if count == 1:
                        u = scan / (scans - 1.0)
                    elif scan < 1 << min(count, 4):
                        u = float((scan >> min(dim, 3)) & 1)
                    else:
                        u = (0.5 + scan * math.sqrt((dim + 1.0) * (dim + 1.0) + 1.0)) % 1.0
                    dim += 1
                    e[p] = lower[p] + u * (upper[p] - lower[p])
            slope = 0.0
            curve = 0.0
            for i in range(n):
                z = 0.0
                for k in range(K):
                    z += base[j, k] * L[i, k]
                for a in range(ptr[j], ptr[j + 1]):
                    z += e[ent_p[a]] * ent_m[a] * L[i, ent_k[a]]
                m = math.exp(min(z, 300.0))
                slope += pull[i] * m
                curve += weight[i] * m * m
            slope /= math.sqrt(curve)
            if slope < steepest:
                steepest = slope
                hit = True
                for p in range(J, P):
                    best_e[p] = e[p]
        if hit:
            found = True
            for p in range(J, P):
                if own[p] == j:
                    theta[p] = best_e[p]
    return found


@njit(cache=True, parallel=True, error_model="numpy")
def polish(thetas, lower, upper, own, ptr, ent_k, ent_p, ent_m, base, L, Y, W, target, loss, delta, iterations,
           rtol):
    """Second stage for every (problem, candidate): exact Newton to convergence, reviving terms that died early.

    Returns:
        (Q, relative gradient norm, converged, iterations), each of shape (problems, candidates); thetas change in
        place.
    """
    B, S, P = thetas.shape
    Q = np.empty((B, S))
    norms = np.empty((B, S))
    done = np.zeros((B, S), dtype=np.bool_)
    used = np.zeros((B, S), dtype=np.int64)
    for bs in prange(B * S):
        b = bs // S
        s = bs % S
        keep = np.flatnonzero(W[b] > 0.0)
        Lb = L[keep]
        yb = Y[target[b]][keep]
        wb = W[b][keep]
        theta = thetas[b, s]
        q, norm, count, ok = minimise(theta, lower[b], upper[b], ptr, ent_k, ent_p, ent_m, base, Lb, yb, wb, loss,
                                      delta, True, iterations, rtol)
        trial = np.empty(P)
        for _ in range(8):
            for p in range(P):
                trial[p] = theta[p]
            if not revive(trial, lower[b], upper[b], own, ptr, ent_k, ent_p, ent_m, base, Lb, yb, wb, loss, delta,
                          24):
                break
            q_new, norm_new, more, ok_new = minimise(trial, lower[b], upper[b], ptr, ent_k, ent_p, ent_m, base, Lb,
                                                     yb, wb, loss, delta, True, iterations, rtol)
            count += more
            if not q_new < q * (1.0 - 1e-12):
                break
            for p in range(P):
                theta[p] = trial[p]
            q, norm, ok = q_new, norm_new, ok_new
        Q[b, s] = q
        norms[b, s] = norm
        done[b, s] = ok
        used[b, s] = count
    return Q, norms, done, used


@njit(cache=True, parallel=True, error_model="numpy")
def flip(thetas, objective, lower, upper, own, ptr, ent_k, ent_p, ent_m, base, L, Y, W, target, loss, delta,
         iterations, rtol, weak):
    """Third stage: try the other sign for exponents of weak terms that may have either; keeps what is better.

    The two signs of such an exponent are separate valleys, and where its term is weak (its share nowhere above
    `weak`) starts fall into either. Changes thetas (problems, P) and objective (problems,) in place.

    Returns:
        How many flips were kept, shape (problems,).
    """
    B, P = thetas.shape
    J = ptr.shape[0] - 1
    kept = np.zeros(B, dtype=np.int64)
    for b in prange(B):
        keep = np.flatnonzero(W[b] > 0.0)
        Lb = L[keep]
        yb = Y[target[b]][keep]
        wb = W[b][keep]
        M = np.empty((keep.shape[0], J))
        trial = np.empty(P)
        for j in range(J):
            theta = thetas[b]
            _powers(theta, ptr, ent_k, ent_p, ent_m, base, Lb, M)
            share = 0.0
            for i in range(keep.shape[0]):
                f = 0.0
                for t in range(J):
                    f += theta[t] * M[i, t]
                share = max(share, theta[j] * M[i, j] / f)
            if share > weak:
                continue
            for p in range(P):
                trial[p] = theta[p]
            turned = False
            for p in range(J, P):
                if own[p] == j and lower[b, p] < 0.0 < upper[b, p]:
                    other = -theta[p]
                    if abs(other) < 0.3:
                        other = 1.0 if other >= 0.0 else -1.0
                    trial[p] = min(max(other, lower[b, p]), upper[b, p])
                    turned = True
            if not turned:
                continue
            trial[j] = lower[b, j]
            q, _, _, _ = minimise(trial, lower[b], upper[b], ptr, ent_k, ent_p, ent_m, base, Lb, yb, wb, loss, delta,
                                  True, iterations, rtol)
            if q < objective[b] * (1.0 - 1e-9):
                for p in range(P):
                    thetas[b, p] = trial[p]
                objective[b] = q
                kept[b] += 1
    return kept
