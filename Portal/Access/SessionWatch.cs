using System.Security.Claims;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Server;
using Portal.Core.Access;

namespace Portal.Access;

/// <summary>An open circuit loses its person at once when the session's row goes, and at the latest by the slow check.</summary>
internal sealed class SessionWatch : RevalidatingServerAuthenticationStateProvider
{
    private readonly FindSession _sessions;
    private readonly SessionEndings _endings;
    private IDisposable? _subscription;

    public SessionWatch(ILoggerFactory logs, FindSession sessions, SessionEndings endings) : base(logs)
    {
        (_sessions, _endings) = (sessions, endings);
        AuthenticationStateChanged += Follow;
    }

    protected override TimeSpan RevalidationInterval => TimeSpan.FromMinutes(1);

    protected override async Task<bool> ValidateAuthenticationStateAsync(AuthenticationState authenticationState, CancellationToken cancellationToken) =>
        authenticationState.User.FindFirstValue(PortalClaims.Session) is { } hash && (await _sessions.StillAliveAsync([hash], cancellationToken)).Count == 1;

    protected override void Dispose(bool disposing)
    {
        AuthenticationStateChanged -= Follow;
        _subscription?.Dispose();
        base.Dispose(disposing);
    }

    private async void Follow(Task<AuthenticationState> changed)
    {
        try
        {
            var state = await changed;
            _subscription?.Dispose();
            _subscription = state.User.FindFirstValue(PortalClaims.Session) is { } hash ? _endings.On(hash, SignOutHere) : null;
        }
        catch (OperationCanceledException) { /* the circuit went away while its person was being read */ }
    }

    private void SignOutHere() => SetAuthenticationState(Task.FromResult(new AuthenticationState(new ClaimsPrincipal(new ClaimsIdentity()))));
}
